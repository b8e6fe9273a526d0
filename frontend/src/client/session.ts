// The session: who is signed in, from Django's session cookie, kept the same in every tab.

import { type ReadonlySignal, signal } from "@preact/signals";

import type { CancelTimer, Clock } from "./clock";
import { decodeNullable, decodeObject, decodeString } from "./decode";
import { ApiError, type Http } from "./http";
import { type User, decodeUser } from "./user";

export type SessionState =
  | { readonly status: "loading" }
  /** The first question is still unanswered; it is asked again by itself. */
  | { readonly status: "unreachable"; readonly message: string }
  | { readonly status: "signed-out"; readonly notice: string | null }
  | { readonly status: "signed-in"; readonly user: User };

export interface SessionOptions {
  http: Http;
  clock: Clock;
  /** Tells the other tabs of this browser that the session changed, and hears it from them. */
  tabs: TabChannel | null;
}

export interface TabChannel {
  announce(): void;
  listen(changed: () => void): void;
}

export const sessionEndedNotice = "Your session has ended. Sign in again to carry on.";

const retryDelayMs = 3000;

export class Session {
  readonly #options: SessionOptions;
  readonly #state = signal<SessionState>({ status: "loading" });
  #cancelRetry: CancelTimer = () => undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    options.http.onUnauthenticated = () => this.#end(sessionEndedNotice);
    options.tabs?.listen(() => void this.fetch());
  }

  get state(): ReadonlySignal<SessionState> {
    return this.#state;
  }

  /** Ask Django who is signed in; asked again until there is an answer. */
  async fetch(): Promise<void> {
    this.#cancelRetry();
    try {
      const user = this.#accept(await this.#options.http.get("/api/session"));
      if (user !== null) this.#begin(user);
      else this.#end(this.#state.value.status === "signed-in" ? sessionEndedNotice : null);
    } catch (error) {
      // Someone who is already signed in keeps the page: the connection's state tells the rest.
      if (this.#state.value.status !== "signed-in") {
        const message = error instanceof ApiError ? error.message : "The server sent an unexpected answer.";
        this.#state.value = { status: "unreachable", message };
        this.#cancelRetry = this.#options.clock.after(retryDelayMs, () => void this.fetch());
      }
    }
  }

  /** Throws ApiError: `invalid_credentials` for a wrong name or password. */
  async signIn(username: string, password: string): Promise<void> {
    const user = this.#accept(await this.#options.http.post("/api/session", { username, password }));
    if (user === null) {
      throw new ApiError("broken", "The server accepted the password but opened no session. Try again.", {
        status: 200,
        code: "no_session",
      });
    }
    this.#begin(user);
    this.#options.tabs?.announce();
  }

  /** Throws ApiError when the server cannot be told: the session would still be open then. */
  async signOut(): Promise<void> {
    try {
      await this.#options.http.delete("/api/session");
    } catch (error) {
      if (!(error instanceof ApiError) || error.kind !== "unauthenticated") throw error;
    }
    this.#state.value = { status: "signed-out", notice: null };
    this.#options.tabs?.announce();
    // The next sign-in needs the CSRF token of the new, anonymous session.
    await this.fetch();
  }

  #accept(body: unknown): User | null {
    const fields = decodeObject(body, "session");
    this.#options.http.setCsrfToken(decodeString(fields["csrf"], "session.csrf"));
    return decodeNullable(fields["user"], decodeUser, "session.user");
  }

  #begin(user: User): void {
    const state = this.#state.value;
    if (state.status === "signed-in" && state.user.id === user.id) return;
    this.#state.value = { status: "signed-in", user };
  }

  #end(notice: string | null): void {
    const state = this.#state.value;
    // Many requests may learn of the same end at once, and a notice once shown stays.
    if (state.status === "signed-out") return;
    this.#state.value = { status: "signed-out", notice };
  }
}

/** Null where the browser has no BroadcastChannel, or forbids it. */
export function openTabChannel(name: string): TabChannel | null {
  try {
    const channel = new BroadcastChannel(name);
    return {
      announce: () => channel.postMessage("changed"),
      listen: (changed) => channel.addEventListener("message", changed),
    };
  } catch {
    return null;
  }
}
