// The chat of one signed-in user: the rooms, the open conversation, the outbox, on one connection.

import { type ReadonlySignal, computed, effect, signal, untracked } from "@preact/signals";

import type { ChatApi } from "../../client/chat-api";
import type { Clock } from "../../client/clock";
import type { Connection } from "../../client/connection";
import type { Message } from "../../client/message";
import type { Room } from "../../client/room";
import type { JsonStorage } from "../../client/storage";
import type { User } from "../../client/user";
import { Conversation } from "./conversation";
import { Directory } from "./directory";
import { Outbox } from "./outbox";
import { ReadMarks } from "./read-marks";
import type { Messages } from "./timeline";

/** What the middle of the page shows. */
export type OpenRoom =
  | { readonly type: "none" }
  /** The address names a room, and the list is not here yet. */
  | { readonly type: "opening"; readonly slug: string }
  | { readonly type: "missing"; readonly slug: string }
  | { readonly type: "open"; readonly conversation: Conversation };

export interface ChatOptions {
  user: User;
  api: ChatApi;
  connection: Connection;
  clock: Clock;
  newClientId: () => string;
  /** Lives as long as the tab. */
  tabStorage: JsonStorage;
  /** Lives as long as the browser keeps it. */
  browserStorage: JsonStorage;
  /** The room that the address names. */
  slug: ReadonlySignal<string | null>;
}

export class Chat {
  readonly user: User;
  readonly directory: Directory;
  readonly outbox: Outbox;
  readonly readMarks: ReadMarks;
  readonly #options: ChatOptions;
  readonly #openRoom = signal<OpenRoom>({ type: "none" });
  readonly #drafts = new Map<string, string>();
  readonly #stopEffects: readonly (() => void)[];

  constructor(options: ChatOptions) {
    const { user, api, connection, clock, newClientId, tabStorage, browserStorage } = options;
    this.#options = options;
    this.user = user;
    this.directory = new Directory({ api, connection, clock });
    this.readMarks = new ReadMarks(browserStorage, `read.${user.id}`);
    this.outbox = new Outbox({
      send: (room, text, clientId) => api.sendMessage(room, text, clientId),
      onSent: (message) => this.#onSent(message),
      newClientId,
      clock,
      storage: tabStorage,
      storageKey: `outbox.${user.id}`,
    });
    // A changed description or last message must not open the room again: only these decide.
    const isKnown = computed(() => options.slug.value !== null && this.#find(options.slug.value) !== undefined);
    const isListed = computed(() => this.directory.status.value === "ready");
    this.#stopEffects = [
      effect(() => {
        const [slug, known, listed] = [options.slug.value, isKnown.value, isListed.value];
        untracked(() => this.#show(slug, { isKnown: known, isListed: listed }));
      }),
      effect(() => {
        const rooms = this.directory.rooms.value;
        untracked(() => this.readMarks.startFrom(rooms));
      }),
      effect(() => {
        if (connection.state.value === "connected") untracked(() => this.#wake());
      }),
    ];
    this.outbox.wake();
  }

  get connection(): Connection {
    return this.#options.connection;
  }

  get openRoom(): ReadonlySignal<OpenRoom> {
    return this.#openRoom;
  }

  send(conversation: Conversation, text: string): void {
    conversation.stoppedTyping();
    conversation.clearNewMark();
    this.outbox.add(conversation.room.slug, text);
  }

  /** The newest message of the open room is on the screen. */
  markSeen(conversation: Conversation): void {
    conversation.markSeen();
    const newest = conversation.messages.value.at(-1);
    if (newest !== undefined) this.readMarks.markRead(conversation.room.slug, newest.id);
  }

  /** The room that was open last in this browser; null when none was. */
  get lastRoom(): string | null {
    const slug = this.#options.browserStorage.read(this.#lastRoomKey);
    return typeof slug === "string" ? slug : null;
  }

  readDraft(slug: string): string {
    return this.#drafts.get(slug) ?? "";
  }

  keepDraft(slug: string, text: string): void {
    if (text === "") this.#drafts.delete(slug);
    else this.#drafts.set(slug, text);
  }

  close(): void {
    for (const stop of this.#stopEffects) stop();
    this.#closeConversation();
    this.directory.close();
    this.outbox.close();
  }

  get #lastRoomKey(): string {
    return `room.${this.user.id}`;
  }

  #show(slug: string | null, { isKnown, isListed }: { isKnown: boolean; isListed: boolean }): void {
    const shown = this.#openRoom.value;
    if (shown.type === "open" && shown.conversation.room.slug === slug) return;
    this.#closeConversation();
    if (slug === null) {
      this.#openRoom.value = { type: "none" };
    } else if (isKnown) {
      this.#openRoom.value = { type: "open", conversation: this.#open(slug) };
      this.#options.browserStorage.write(this.#lastRoomKey, slug);
    } else {
      this.#openRoom.value = { type: isListed ? "missing" : "opening", slug };
    }
  }

  #open(slug: string): Conversation {
    const room = this.#find(slug);
    if (room === undefined) throw new Error(`got the room "${slug}", expected one of the directory's`);
    const { user, api, connection, clock } = this.#options;
    return new Conversation({
      room,
      user,
      api,
      connection,
      clock,
      readUpTo: this.readMarks.marks.value[slug] ?? null,
      onMessages: (messages) => this.#onMessages(messages),
    });
  }

  #find(slug: string): Room | undefined {
    return this.directory.rooms.value.find((room) => room.slug === slug);
  }

  #onMessages(messages: Messages): void {
    for (const message of messages) {
      if (message.author.id === this.user.id) this.outbox.settle(message);
    }
    const newest = messages.at(-1);
    if (newest !== undefined) this.directory.noteMessage(newest);
  }

  #closeConversation(): void {
    const shown = this.#openRoom.value;
    if (shown.type === "open") shown.conversation.close();
  }

  #onSent(message: Message): void {
    const shown = this.#openRoom.value;
    if (shown.type === "open" && shown.conversation.room.slug === message.room) {
      shown.conversation.accept(message);
    } else {
      this.directory.noteMessage(message);
      this.readMarks.markRead(message.room, message.id);
    }
  }

  #wake(): void {
    this.outbox.wake();
    const shown = this.#openRoom.value;
    if (shown.type === "open") shown.conversation.wake();
  }
}
