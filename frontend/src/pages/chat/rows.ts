// Rows: what the message list shows, in order: days, the mark before what is new, and messages
// grouped by author.

import type { Message } from "../../client/message";
import type { User } from "../../client/user";
import type { PendingMessage } from "./outbox";

export type Row =
  | { readonly type: "day"; readonly key: string; readonly date: Date }
  | { readonly type: "new"; readonly key: string }
  | {
      readonly type: "sent";
      readonly key: string;
      readonly message: Message;
      /** Follows a message of the same author closely: name and picture are not repeated. */
      readonly continues: boolean;
    }
  | {
      readonly type: "pending";
      readonly key: string;
      readonly pending: PendingMessage;
      readonly continues: boolean;
    };

export interface RowsInput {
  messages: readonly Message[];
  /** Of this room, in the order written. */
  pending: readonly PendingMessage[];
  user: User;
  /** Show the mark before the first message of someone else after this id; null for no mark. */
  newAfterId: number | null;
}

const groupSpanMs = 5 * 60_000;

export function buildRows({ messages, pending, user, newAfterId }: RowsInput): Row[] {
  const rows: Row[] = [];
  const ownSent = new Set<string>();
  let last: Placed | null = null;
  let isNewMarked = newAfterId === null;

  for (const message of messages) {
    const isFirstNew =
      !isNewMarked && message.id > (newAfterId ?? 0) && message.author.id !== user.id;
    last = place(rows, last, { authorId: message.author.id, at: new Date(message.sentAt), isFirstNew });
    isNewMarked ||= isFirstNew;
    if (message.author.id === user.id) ownSent.add(message.clientId);
    const key = keyOf(message.author.id, message.clientId);
    rows.push({ type: "sent", key, message, continues: last.continues });
  }
  for (const entry of pending) {
    // Its publication may be here before the answer to its request.
    if (ownSent.has(entry.clientId)) continue;
    last = place(rows, last, { authorId: user.id, at: new Date(entry.writtenAt), isFirstNew: false });
    const key = keyOf(user.id, entry.clientId);
    rows.push({ type: "pending", key, pending: entry, continues: last.continues });
  }
  return rows;
}

interface Place {
  authorId: number;
  at: Date;
  isFirstNew: boolean;
}

interface Placed {
  authorId: number;
  at: Date;
  groupStartedAt: Date;
  continues: boolean;
}

/** Adds the day and the mark that belong before a message, and says how it follows the last one. */
function place(rows: Row[], last: Placed | null, { authorId, at, isFirstNew }: Place): Placed {
  const isNewDay = last === null || !isSameDay(last.at, at);
  if (isNewDay) rows.push({ type: "day", key: dayKey(at), date: at });
  if (isFirstNew) rows.push({ type: "new", key: "new" });
  const continues =
    last !== null &&
    !isNewDay &&
    !isFirstNew &&
    last.authorId === authorId &&
    at.getTime() - last.groupStartedAt.getTime() < groupSpanMs;
  return { authorId, at, groupStartedAt: continues ? last.groupStartedAt : at, continues };
}

function dayKey(date: Date): string {
  return `day-${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

/** The same before and after a message is confirmed, so that it keeps its place on the screen. */
function keyOf(authorId: number, clientId: string): string {
  return `message-${authorId}-${clientId}`;
}

export function isSameDay(a: Date, b: Date): boolean {
  return (
    a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate()
  );
}
