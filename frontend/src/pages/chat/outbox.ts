// The outbox: messages the user has written and the server has not confirmed. They are sent one at a
// time in the order they were written, wait while the server is away, and are kept over a reload.
//
// Sending is safe to repeat: the server stores one message per client id. A message is confirmed by
// whichever comes first, the answer to its request or its publication in the topic.

import { type ReadonlySignal, signal } from "@preact/signals";

import type { CancelTimer, Clock } from "../../client/clock";
import { decodeList, decodeNullable, decodeObject, decodeString } from "../../client/decode";
import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import type { JsonStorage } from "../../client/storage";

export interface PendingMessage {
  readonly clientId: string;
  readonly room: string;
  readonly text: string;
  /** ISO 8601, UTC; of this browser's clock. */
  readonly writtenAt: string;
  readonly state: "sending" | "failed";
  /** Why it failed, for the user; null while sending. */
  readonly problem: string | null;
}

export interface OutboxOptions {
  send: (room: string, text: string, clientId: string) => Promise<Message>;
  onSent: (message: Message) => void;
  newClientId: () => string;
  clock: Clock;
  storage: JsonStorage;
  storageKey: string;
}

const firstRetryMs = 1000;
const longestRetryMs = 15_000;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #entries = signal<readonly PendingMessage[]>([]);
  readonly #isWaiting = signal(false);
  #isPumping = false;
  #isClosed = false;
  #retryMs = firstRetryMs;
  #cancelRetry: CancelTimer = () => undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#entries.value = restore(options.storage.read(options.storageKey));
  }

  /** In the order written. */
  get entries(): ReadonlySignal<readonly PendingMessage[]> {
    return this.#entries;
  }

  /** The last attempt found no server; the next comes by itself. */
  get isWaiting(): ReadonlySignal<boolean> {
    return this.#isWaiting;
  }

  add(room: string, text: string): void {
    const { newClientId, clock } = this.#options;
    const entry: PendingMessage = {
      clientId: newClientId(),
      room,
      text,
      writtenAt: new Date(clock.now()).toISOString(),
      state: "sending",
      problem: null,
    };
    this.#set([...this.#entries.value, entry]);
    this.#pump();
  }

  /** Send a failed message again, in its old place. */
  retry(clientId: string): void {
    this.#update(clientId, { state: "sending", problem: null });
    this.wake();
  }

  /** Forget a failed message. */
  discard(clientId: string): void {
    this.#remove(clientId);
  }

  /** The topic brought a message: if it is one of these, it is sent. */
  settle(message: Message): void {
    this.#remove(message.clientId);
  }

  /** The server may be back: do not wait for the next attempt. */
  wake(): void {
    this.#cancelRetry();
    this.#retryMs = firstRetryMs;
    this.#pump();
  }

  /** Stop sending. What is unsent stays in the storage. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
  }

  #pump(): void {
    if (this.#isPumping || this.#isClosed) return;
    void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    this.#isPumping = true;
    this.#cancelRetry();
    try {
      for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
        const mayGoOn = await this.#send(entry);
        if (!mayGoOn) return;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #next(): PendingMessage | undefined {
    // `close` may have been called while a message was on its way.
    return this.#isClosed ? undefined : this.#entries.value.find((entry) => entry.state === "sending");
  }

  /** False when the rest has to wait. */
  async #send(entry: PendingMessage): Promise<boolean> {
    const { send, onSent, clock } = this.#options;
    try {
      const message = await send(entry.room, entry.text, entry.clientId);
      this.#isWaiting.value = false;
      this.#retryMs = firstRetryMs;
      // The message first, then the entry goes: no frame in which it is in neither.
      onSent(message);
      this.#remove(entry.clientId);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.kind === "unauthenticated") return false;
      if (error instanceof ApiError && error.isTemporary) {
        this.#isWaiting.value = true;
        if (!this.#isClosed) {
          this.#cancelRetry = clock.after(this.#retryMs, () => this.#pump());
          this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
        }
        return false;
      }
      this.#isWaiting.value = false;
      const problem = error instanceof Error ? error.message : "Something went wrong.";
      this.#update(entry.clientId, { state: "failed", problem });
      return true;
    }
  }

  #update(clientId: string, change: Pick<PendingMessage, "state" | "problem">): void {
    this.#set(
      this.#entries.value.map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry)),
    );
  }

  #remove(clientId: string): void {
    const left = this.#entries.value.filter((entry) => entry.clientId !== clientId);
    if (left.length !== this.#entries.value.length) this.#set(left);
  }

  #set(entries: readonly PendingMessage[]): void {
    this.#entries.value = entries;
    const { storage, storageKey } = this.#options;
    if (entries.length === 0) storage.remove(storageKey);
    else storage.write(storageKey, entries);
  }
}

function restore(stored: unknown): PendingMessage[] {
  if (stored === undefined) return [];
  try {
    return decodeList(stored, decodePending);
  } catch {
    return []; // Written by another version of the page.
  }
}

function decodePending(value: unknown, path?: string): PendingMessage {
  const fields = decodeObject(value, path);
  return {
    clientId: decodeString(fields["clientId"]),
    room: decodeString(fields["room"]),
    text: decodeString(fields["text"]),
    writtenAt: decodeString(fields["writtenAt"]),
    state: fields["state"] === "failed" ? "failed" : "sending",
    problem: decodeNullable(fields["problem"], decodeString),
  };
}
