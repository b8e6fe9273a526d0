// The connection: one wrapper over the Centrifuge SDK. It offers topics with typed events and the
// state as a signal; it decides nothing about chat.

import { type ReadonlySignal, signal } from "@preact/signals";
import { Centrifuge, type ClientInfo, type Subscription, UnauthorizedError } from "centrifuge";

import type { Clock } from "./clock";
import { ApiError } from "./http";

export type ConnectionState = "connecting" | "connected" | "disconnected";

/** Someone in a topic. One user has a client for each tab or device. */
export interface Participant {
  readonly client: string;
  readonly user: string;
  /** "" when the connection's token carried no name. */
  readonly name: string;
}

/** How a subscription relates to what was received before it. */
export type Continuity =
  /** The first subscription: nothing was received before. */
  | "new"
  /** A return: everything missed follows now. */
  | "recovered"
  /** A return that cannot tell everything missed: fetch it another way. */
  | "gap";

export interface TopicHandlers {
  /** In the topic's order. `publisher` is null for what the server published. */
  onPublication(data: unknown, publisher: Participant | null): void;
  onSubscribed?(continuity: Continuity): void;
  onJoined?(participant: Participant): void;
  onLeft?(participant: Participant): void;
  /** The server ended or refused the subscription for good. */
  onRefused?(reason: string): void;
}

export interface Topic {
  /** Rejects when the publication did not reach the server. */
  publish(data: unknown): Promise<void>;
  fetchPresence(): Promise<Participant[]>;
  close(): void;
}

export interface Connection {
  readonly state: ReadonlySignal<ConnectionState>;
  /** One at a time per name. Handlers may be called until `close`. */
  openTopic(name: string, handlers: TopicHandlers): Topic;
}

export interface ConnectionOptions {
  url: string;
  fetchToken: () => Promise<string>;
  clock: Clock;
}

// The token is worth nothing any more: its sign-in has ended (signed out in another window, another
// password), or the server's secret was changed by a restart.
const invalidTokenCode = 3500;
// Only where the new token is turned down, too.
const invalidTokenRetryMs = 2000;
// The server wants this user gone: the account may have been deactivated.
const forceDisconnectCode = 3503;

export class CentrifugeConnection implements Connection {
  readonly #centrifuge: Centrifuge;
  readonly #clock: Clock;
  readonly #state = signal<ConnectionState>("connecting");
  #cancelRetry: () => void = () => undefined;
  #hasNewToken = false;

  constructor(options: ConnectionOptions) {
    this.#clock = options.clock;
    this.#centrifuge = new Centrifuge(options.url, {
      getToken: async () => {
        try {
          return await options.fetchToken();
        } catch (error) {
          // The SDK asks again after any other error.
          if (error instanceof ApiError && error.kind === "unauthenticated") {
            throw new UnauthorizedError(error.message);
          }
          throw error;
        }
      },
      // A person waits in front of the page: 20 s, the SDK's default, feels broken after a restart.
      maxReconnectDelay: 8000,
    });
    this.#centrifuge.on("state", ({ newState }) => {
      this.#state.value = newState;
    });
    this.#centrifuge.on("connected", () => {
      this.#hasNewToken = false;
    });
    this.#centrifuge.on("disconnected", ({ code }) => {
      if (code === invalidTokenCode) this.#reconnectWithNewToken();
      // Whoever is signed out by now learns it by asking for a token; everybody else stays disconnected.
      else if (code === forceDisconnectCode) options.fetchToken().catch(() => undefined);
    });
  }

  get state(): ReadonlySignal<ConnectionState> {
    return this.#state;
  }

  connect(): void {
    this.#centrifuge.connect();
  }

  disconnect(): void {
    this.#cancelRetry();
    this.#centrifuge.disconnect();
  }

  /** Try at once, without waiting for the SDK's next attempt. Subscriptions keep their positions. */
  reconnect(): void {
    if (this.#state.value === "connected") return;
    this.disconnect();
    this.connect();
  }

  openTopic(name: string, handlers: TopicHandlers): Topic {
    const centrifuge = this.#centrifuge;
    const subscription = centrifuge.newSubscription(name);
    listen(subscription, handlers);
    subscription.subscribe();
    return {
      publish: async (data) => {
        await subscription.publish(data);
      },
      fetchPresence: async () => {
        const { clients } = await subscription.presence();
        return Object.values(clients).map(toParticipant);
      },
      close: () => {
        subscription.removeAllListeners();
        centrifuge.removeSubscription(subscription);
      },
    };
  }

  #reconnectWithNewToken(): void {
    this.#centrifuge.setToken("");
    this.#cancelRetry();
    const waitMs = this.#hasNewToken ? invalidTokenRetryMs : 0;
    this.#hasNewToken = true;
    this.#cancelRetry = this.#clock.after(waitMs, () => this.connect());
  }
}

function listen(subscription: Subscription, handlers: TopicHandlers): void {
  subscription.on("publication", ({ data, info }) => {
    guard(subscription.channel, () =>
      handlers.onPublication(data as unknown, info === undefined ? null : toParticipant(info)),
    );
  });
  subscription.on("subscribed", ({ wasRecovering, recovered }) => {
    const continuity: Continuity = !wasRecovering ? "new" : recovered ? "recovered" : "gap";
    guard(subscription.channel, () => handlers.onSubscribed?.(continuity));
  });
  subscription.on("join", ({ info }) => {
    guard(subscription.channel, () => handlers.onJoined?.(toParticipant(info)));
  });
  subscription.on("leave", ({ info }) => {
    guard(subscription.channel, () => handlers.onLeft?.(toParticipant(info)));
  });
  subscription.on("unsubscribed", ({ reason }) => {
    guard(subscription.channel, () => handlers.onRefused?.(reason));
  });
}

/** The SDK closes the connection for good when a handler throws: one bad publication must not do that. */
function guard(topic: string, handle: () => void): void {
  try {
    handle();
  } catch (error) {
    console.error("a publication or event could not be handled", { topic, error });
  }
}

function toParticipant(info: ClientInfo): Participant {
  const details = info.connInfo as unknown;
  const name =
    typeof details === "object" && details !== null && "name" in details ? details.name : undefined;
  return { client: info.client, user: info.user, name: typeof name === "string" ? name : "" };
}
