// A connection without a server: tests play the server's part by calling a topic's handlers.

import { signal } from "@preact/signals";

import type {
  Connection,
  ConnectionState,
  Participant,
  Topic,
  TopicHandlers,
} from "../client/connection";

export class FakeTopic implements Topic {
  readonly handlers: TopicHandlers;
  readonly published: unknown[] = [];
  presence: Participant[] | Promise<Participant[]> = [];
  isClosed = false;

  constructor(handlers: TopicHandlers) {
    this.handlers = handlers;
  }

  publish(data: unknown): Promise<void> {
    this.published.push(data);
    return Promise.resolve();
  }

  fetchPresence(): Promise<Participant[]> {
    return Promise.resolve(this.presence);
  }

  close(): void {
    this.isClosed = true;
  }
}

export class FakeConnection implements Connection {
  readonly state = signal<ConnectionState>("connected");
  readonly #topics = new Map<string, FakeTopic>();

  openTopic(name: string, handlers: TopicHandlers): Topic {
    const open = this.#topics.get(name);
    if (open !== undefined && !open.isClosed) throw new Error(`got ${name} opened twice, expected once`);
    const topic = new FakeTopic(handlers);
    this.#topics.set(name, topic);
    return topic;
  }

  topic(name: string): FakeTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw new Error(`got no topic ${name}, expected it to be open`);
    return topic;
  }
}
