// A conversation: one open room. Its messages, who is in it, who types, and how far it was read.
//
// Messages come from three sources: pages over HTTP, publications of the topic, and answers to the
// user's own requests. They meet in one timeline by id. `#liveEdge` is the id up to which nothing is
// missing; own answers do not move it, since what others wrote before them may still be unknown.
// After a gap the messages behind the edge are fetched, page by page, while live ones flow on.

import { type ReadonlySignal, computed, signal } from "@preact/signals";

import type { ChatApi } from "../../client/chat-api";
import type { CancelTimer, Clock } from "../../client/clock";
import type { Connection, Continuity, Participant, Topic } from "../../client/connection";
import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import { decodeChatPublication, decodeTypingPublication } from "../../client/publication";
import type { Room } from "../../client/room";
import { SingleFlight } from "../../client/single-flight";
import type { User } from "../../client/user";
import {
  type Member,
  type Participants,
  type PresenceChange,
  applyPresence,
  membersOf,
  participantsFrom,
} from "./members";
import { type Messages, countUnread, keepNewest, mergeMessages, newestId, oldestId } from "./timeline";
import { TypingSender, type Typists, addTypist, dropExpired, removeTypist, typingExpiryMs } from "./typing";

export type ConversationStatus = "loading" | "ready" | "missing" | "failed";
export type OlderStatus = "idle" | "loading" | "failed";

export interface ConversationOptions {
  room: Room;
  user: User;
  api: Pick<ChatApi, "fetchMessages">;
  connection: Connection;
  clock: Clock;
  /** The newest message that was read here before; null for a room that never was. */
  readUpTo: number | null;
  /** Messages that arrive, from whichever source. */
  onMessages: (messages: Messages) => void;
}

/** Who stays at the newest message keeps this many; older ones are fetched again on the way up. */
export const keptMessages = 300;
// Missed more than this many pages: begin afresh with the newest instead of fetching hours of talk.
const catchUpPages = 4;
const firstRetryMs = 1000;
const longestRetryMs = 15_000;

export class Conversation {
  readonly room: Room;
  readonly #options: ConversationOptions;
  readonly #selfUser: string;
  readonly #topic: Topic;
  readonly #typingTopic: Topic;
  readonly #typingSender: TypingSender;
  readonly #flight = new SingleFlight(() => this.#synchronise());

  readonly #status = signal<ConversationStatus>("loading");
  readonly #problem = signal("");
  readonly #messages = signal<Messages>([]);
  readonly #hasOlder = signal(false);
  readonly #olderStatus = signal<OlderStatus>("idle");
  readonly #participants = signal<Participants | null>(null);
  readonly #typists = signal<Typists>([]);
  readonly #seenUpTo = signal<number | null>(null);
  readonly #newAfterId = signal<number | null>(null);

  #liveEdge: number | null = null;
  #isBehind = true;
  #newestWhileBehind = 0;
  #presenceChanges: PresenceChange[] | null = null;
  #presenceRequest = 0;
  #isClosed = false;
  #retryMs = firstRetryMs;
  #cancelRetry: CancelTimer = () => undefined;
  #cancelExpiry: CancelTimer = () => undefined;

  constructor(options: ConversationOptions) {
    const { room, user, connection, clock } = options;
    this.room = room;
    this.#options = options;
    this.#selfUser = String(user.id);
    this.#typingSender = new TypingSender((typing) => this.#publishTyping(typing), clock);
    this.#topic = connection.openTopic(room.topic, {
      onPublication: (data) => this.#onPublication(data),
      onSubscribed: (continuity) => this.#onSubscribed(continuity),
      onJoined: (participant) => this.#onPresence({ type: "joined", participant }),
      onLeft: (participant) => this.#onPresence({ type: "left", participant }),
      onRefused: () => {
        this.#participants.value = null;
      },
    });
    this.#typingTopic = connection.openTopic(room.typingTopic, {
      onPublication: (data, publisher) => this.#onTyping(data, publisher),
    });
    this.#requestSynchronise();
  }

  get status(): ReadonlySignal<ConversationStatus> {
    return this.#status;
  }

  /** Why the messages could not be loaded. */
  get problem(): ReadonlySignal<string> {
    return this.#problem;
  }

  /** Oldest first. */
  get messages(): ReadonlySignal<Messages> {
    return this.#messages;
  }

  get hasOlder(): ReadonlySignal<boolean> {
    return this.#hasOlder;
  }

  get olderStatus(): ReadonlySignal<OlderStatus> {
    return this.#olderStatus;
  }

  /** Null until it is known. */
  readonly members: ReadonlySignal<readonly Member[] | null> = computed(() => {
    const participants = this.#participants.value;
    return participants === null ? null : membersOf(participants, this.#selfUser);
  });

  get typists(): ReadonlySignal<Typists> {
    return this.#typists;
  }

  /** Messages of others that came while the user looked elsewhere. */
  readonly unreadCount: ReadonlySignal<number> = computed(() => {
    const seenUpTo = this.#seenUpTo.value;
    return seenUpTo === null ? 0 : countUnread(this.#messages.value, seenUpTo, this.#options.user.id);
  });

  /** Where the mark "New" stands: after this id. */
  get newAfterId(): ReadonlySignal<number | null> {
    return this.#newAfterId;
  }

  /** The newest message is on the screen. */
  markSeen(): void {
    const newest = newestId(this.#messages.value);
    if (newest !== null) this.#seenUpTo.value = newest;
    this.#messages.value = this.#trimmed(this.#messages.value);
  }

  /** The user answered: nothing is new to them any more. */
  clearNewMark(): void {
    this.#newAfterId.value = null;
  }

  /** Merge a message whose request was answered, perhaps before its publication arrives. */
  accept(message: Message): void {
    this.#merge([message]);
  }

  typed(): void {
    this.#typingSender.typed();
  }

  stoppedTyping(): void {
    this.#typingSender.stopped();
  }

  /** Load again after a failure. */
  retry(): void {
    this.#status.value = "loading";
    this.#requestSynchronise();
  }

  /** The server may be back: if anything is missing, do not wait for the next attempt. */
  wake(): void {
    if (this.#isBehind && this.#status.value !== "missing") this.#requestSynchronise();
  }

  async loadOlder(): Promise<void> {
    const before = oldestId(this.#messages.value);
    if (before === null || !this.#hasOlder.value || this.#olderStatus.value === "loading") return;
    this.#olderStatus.value = "loading";
    try {
      const page = await this.#options.api.fetchMessages(this.room.slug, { from: "before", id: before });
      // Unless the list began afresh meanwhile, and this page no longer joins it.
      if (!this.#isClosed && oldestId(this.#messages.value) === before) {
        this.#hasOlder.value = page.hasMore;
        this.#merge(page.messages);
      }
      this.#olderStatus.value = "idle";
    } catch {
      this.#olderStatus.value = "failed";
    }
  }

  close(): void {
    this.#typingSender.stopped();
    this.#isClosed = true;
    this.#cancelRetry();
    this.#cancelExpiry();
    this.#topic.close();
    this.#typingTopic.close();
  }

  // Messages

  #onPublication(data: unknown): void {
    const publication = decodeChatPublication(data);
    if (publication === null) return;
    const { message } = publication;
    if (this.#isBehind) this.#newestWhileBehind = Math.max(this.#newestWhileBehind, message.id);
    else this.#liveEdge = Math.max(this.#liveEdge ?? 0, message.id);
    this.#typists.value = removeTypist(this.#typists.value, String(message.author.id));
    this.#merge([message]);
  }

  #onSubscribed(continuity: Continuity): void {
    if (continuity !== "recovered") this.#requestSynchronise();
    void this.#fetchPresence();
  }

  #requestSynchronise(): void {
    this.#isBehind = true;
    void this.#flight.request();
  }

  async #synchronise(): Promise<void> {
    this.#cancelRetry();
    if (this.#isClosed) return;
    try {
      if (this.#liveEdge === null) await this.#beginWithNewest();
      else await this.#catchUp(this.#liveEdge);
    } catch (error) {
      this.#onSynchroniseFailed(error);
      return;
    }
    this.#retryMs = firstRetryMs;
    // Asked for again meanwhile: a gap was reported after the pages were read.
    if (this.#flight.isRequested) return;
    this.#isBehind = false;
    this.#liveEdge = Math.max(this.#liveEdge ?? 0, this.#newestWhileBehind);
    this.#newestWhileBehind = 0;
  }

  async #beginWithNewest(): Promise<void> {
    const page = await this.#options.api.fetchMessages(this.room.slug, { from: "newest" });
    const newest = newestId(page.messages) ?? 0;
    this.#liveEdge = newest;
    this.#hasOlder.value = page.hasMore;
    this.#seenUpTo.value ??= this.#options.readUpTo ?? newest;
    this.#merge(page.messages);
    this.#status.value = "ready";
  }

  async #catchUp(edge: number): Promise<void> {
    let after = edge;
    for (let pages = 0; pages < catchUpPages; pages += 1) {
      const page = await this.#options.api.fetchMessages(this.room.slug, { from: "after", id: after });
      this.#merge(page.messages);
      after = newestId(page.messages) ?? after;
      this.#liveEdge = after;
      this.#status.value = "ready";
      if (!page.hasMore) return;
    }
    const page = await this.#options.api.fetchMessages(this.room.slug, { from: "newest" });
    const firstId = oldestId(page.messages) ?? 0;
    const live = this.#messages.value.filter((message) => message.id >= firstId);
    this.#liveEdge = newestId(page.messages) ?? after;
    this.#hasOlder.value = page.hasMore;
    this.#messages.value = mergeMessages(page.messages, live);
  }

  #onSynchroniseFailed(error: unknown): void {
    if (this.#isClosed) return;
    if (error instanceof ApiError) {
      if (error.kind === "unauthenticated") return; // The page goes to the sign-in.
      if (error.status === 404) {
        this.#status.value = "missing";
        return;
      }
    }
    // What is already on the screen stays there; the rest is fetched as soon as it can be had.
    const isTemporary = error instanceof ApiError && error.isTemporary;
    if (isTemporary || this.#status.value === "ready") {
      this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => this.#requestSynchronise());
      this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    } else {
      this.#problem.value = error instanceof Error ? error.message : "Something went wrong.";
      this.#status.value = "failed";
    }
  }

  #merge(incoming: Messages): void {
    const before = this.#messages.value;
    const after = mergeMessages(before, incoming);
    if (after === before) return;
    const wasUnread = this.unreadCount.value > 0;
    this.#messages.value = after;
    if (!wasUnread && this.unreadCount.value > 0) this.#newAfterId.value = this.#seenUpTo.value;
    this.#options.onMessages(incoming);
  }

  #trimmed(messages: Messages): Messages {
    const kept = keepNewest(messages, keptMessages);
    if (kept !== messages) this.#hasOlder.value = true;
    return kept;
  }

  // Presence

  #onPresence(change: PresenceChange): void {
    this.#presenceChanges?.push(change);
    const participants = this.#participants.value;
    if (participants !== null) this.#participants.value = applyPresence(participants, change);
    if (change.type === "left" && !this.#isHere(change.participant.user)) {
      this.#typists.value = removeTypist(this.#typists.value, change.participant.user);
    }
  }

  async #fetchPresence(): Promise<void> {
    // Only the newest request counts: an older one may be from before the connection was lost.
    const request = ++this.#presenceRequest;
    const changes: PresenceChange[] = [];
    this.#presenceChanges = changes;
    try {
      const answer = await this.#topic.fetchPresence();
      if (request !== this.#presenceRequest || this.#isClosed) return;
      this.#participants.value = participantsFrom(answer, changes);
    } catch (error) {
      // The connection went away: the next subscription asks again. Or the room shows no presence.
      if (request === this.#presenceRequest) console.warn("presence is not available", { error });
    } finally {
      if (request === this.#presenceRequest) this.#presenceChanges = null;
    }
  }

  #isHere(user: string): boolean {
    const participants = this.#participants.value;
    return participants !== null && [...participants.values()].some((other) => other.user === user);
  }

  // Typing

  #onTyping(data: unknown, publisher: Participant | null): void {
    // Who types is the server's word, never the data's, which the client wrote.
    if (publisher === null || publisher.user === this.#selfUser) return;
    const { typing } = decodeTypingPublication(data);
    const { user } = publisher;
    if (!typing) {
      this.#typists.value = removeTypist(this.#typists.value, user);
      return;
    }
    const name = publisher.name || "Someone";
    const until = this.#options.clock.now() + typingExpiryMs;
    this.#typists.value = addTypist(this.#typists.value, { user, name, until });
    this.#scheduleExpiry();
  }

  #scheduleExpiry(): void {
    this.#cancelExpiry();
    const { clock } = this.#options;
    const next = Math.min(...this.#typists.value.map(({ until }) => until));
    if (!Number.isFinite(next)) return;
    this.#cancelExpiry = clock.after(Math.max(next - clock.now(), 0), () => {
      this.#typists.value = dropExpired(this.#typists.value, clock.now());
      this.#scheduleExpiry();
    });
  }

  #publishTyping(typing: boolean): void {
    // The SDK would hold it back until the connection returns, when it is no longer true.
    if (this.#options.connection.state.value !== "connected") return;
    this.#typingTopic.publish({ typing }).catch(() => {
      // Best effort: see typing.ts.
    });
  }
}
