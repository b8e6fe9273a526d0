// The directory: the list of rooms, kept up to date by the topic of rooms.

import { type ReadonlySignal, signal } from "@preact/signals";

import type { ChatApi, NewRoom } from "../../client/chat-api";
import type { CancelTimer, Clock } from "../../client/clock";
import type { Connection, Topic } from "../../client/connection";
import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import { decodeRoomsPublication, roomsTopic } from "../../client/publication";
import type { Room } from "../../client/room";
import { SingleFlight } from "../../client/single-flight";

export type DirectoryStatus = "loading" | "ready" | "failed";

export interface DirectoryOptions {
  api: Pick<ChatApi, "fetchRooms" | "createRoom">;
  connection: Connection;
  clock: Clock;
}

const retryMs = 3000;

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #rooms = signal<readonly Room[]>([]);
  readonly #status = signal<DirectoryStatus>("loading");
  readonly #problem = signal("");
  readonly #flight = new SingleFlight(() => this.#fetch());
  readonly #topic: Topic;
  #isClosed = false;
  #cancelRetry: CancelTimer = () => undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#topic = options.connection.openTopic(roomsTopic, {
      onPublication: (data) => {
        const publication = decodeRoomsPublication(data);
        if (publication !== null) this.#upsert(publication.room);
      },
      onSubscribed: (continuity) => {
        if (continuity !== "recovered") void this.refresh();
      },
    });
    void this.refresh();
  }

  /** By name. */
  get rooms(): ReadonlySignal<readonly Room[]> {
    return this.#rooms;
  }

  get status(): ReadonlySignal<DirectoryStatus> {
    return this.#status;
  }

  /** Why the list could not be loaded. */
  get problem(): ReadonlySignal<string> {
    return this.#problem;
  }

  /** Ends when the list is as the server has it, or could not be had. */
  refresh(): Promise<void> {
    return this.#flight.request();
  }

  /** Throws ApiError: `refused` when the name is taken or not acceptable. */
  async create(room: NewRoom): Promise<Room> {
    const created = await this.#options.api.createRoom(room);
    this.#upsert(created);
    return created;
  }

  noteMessage(message: Message): void {
    const room = this.#find(message.room);
    if (room !== undefined && isNewer(message, room.lastMessage)) {
      this.#upsert({ ...room, lastMessage: message });
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#topic.close();
  }

  async #fetch(): Promise<void> {
    this.#cancelRetry();
    try {
      const rooms = await this.#options.api.fetchRooms();
      this.#rooms.value = rooms.map((room) => this.#withNewestMessage(room)).sort(byName);
      this.#status.value = "ready";
    } catch (error) {
      if (this.#isClosed || (error instanceof ApiError && error.kind === "unauthenticated")) return;
      // A list that is already shown stays, whatever happens to an update of it.
      const isTemporary = error instanceof ApiError && error.isTemporary;
      if (isTemporary || this.#status.value === "ready") {
        this.#cancelRetry = this.#options.clock.after(retryMs, () => void this.refresh());
      } else {
        this.#problem.value = error instanceof Error ? error.message : "Something went wrong.";
        this.#status.value = "failed";
      }
    }
  }

  #upsert(room: Room): void {
    const others = this.#rooms.value.filter(({ slug }) => slug !== room.slug);
    this.#rooms.value = [...others, this.#withNewestMessage(room)].sort(byName);
  }

  #find(slug: string): Room | undefined {
    return this.#rooms.value.find((room) => room.slug === slug);
  }

  /** A message may have arrived here by its topic while the list was on its way. */
  #withNewestMessage(room: Room): Room {
    const known = this.#find(room.slug)?.lastMessage ?? null;
    return known !== null && isNewer(known, room.lastMessage) ? { ...room, lastMessage: known } : room;
  }
}

function isNewer(message: Message, than: Message | null): boolean {
  return than === null || message.id > than.id;
}

function byName(a: Room, b: Room): number {
  return a.name.localeCompare(b.name) || a.slug.localeCompare(b.slug);
}
