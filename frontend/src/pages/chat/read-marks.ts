// Read marks: up to which message each room was read in this browser.

import { type ReadonlySignal, signal } from "@preact/signals";

import { DecodeError, decodeInteger, decodeObject } from "../../client/decode";
import type { Room } from "../../client/room";
import type { JsonStorage } from "../../client/storage";

type Marks = Readonly<Record<string, number>>;

export class ReadMarks {
  readonly #storage: JsonStorage;
  readonly #key: string;
  readonly #marks;

  constructor(storage: JsonStorage, key: string) {
    this.#storage = storage;
    this.#key = key;
    this.#marks = signal<Marks>(restore(storage.read(key)));
  }

  get marks(): ReadonlySignal<Marks> {
    return this.#marks;
  }

  markRead(slug: string, messageId: number): void {
    if ((this.#marks.value[slug] ?? -1) >= messageId) return;
    this.#set({ ...this.#marks.value, [slug]: messageId });
  }

  /** Rooms seen for the first time start as read: a newcomer has not missed what came before. */
  startFrom(rooms: readonly Room[]): void {
    const unknown = rooms.filter((room) => this.#marks.value[room.slug] === undefined);
    if (unknown.length === 0) return;
    const added = unknown.map((room) => [room.slug, room.lastMessage?.id ?? 0] as const);
    this.#set({ ...this.#marks.value, ...Object.fromEntries(added) });
  }

  isUnread(room: Room, userId: number): boolean {
    const last = room.lastMessage;
    if (last === null || last.author.id === userId) return false;
    return last.id > (this.#marks.value[room.slug] ?? Number.POSITIVE_INFINITY);
  }

  #set(marks: Marks): void {
    this.#marks.value = marks;
    this.#storage.write(this.#key, marks);
  }
}

function restore(stored: unknown): Marks {
  if (stored === undefined) return {};
  try {
    const entries = Object.entries(decodeObject(stored));
    return Object.fromEntries(entries.map(([slug, id]) => [slug, decodeInteger(id)]));
  } catch (error) {
    if (error instanceof DecodeError) return {}; // Written by another version of the page.
    throw error;
  }
}
