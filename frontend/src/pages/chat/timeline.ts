// The timeline: the stored messages of a room that the page holds, each once, in the order of ids.

import type { Message } from "../../client/message";

export type Messages = readonly Message[];

/**
 * Both in one list: by id, none twice. A message that is already there stays the same object, so
 * that nothing is drawn again for it.
 */
export function mergeMessages(current: Messages, incoming: Messages): Messages {
  const known = new Set(current.map((message) => message.id));
  const added: Message[] = [];
  for (const message of incoming) {
    if (known.has(message.id)) continue;
    known.add(message.id);
    added.push(message);
  }
  if (added.length === 0) return current;
  added.sort(byId);
  const isAppend = (added[0]?.id ?? 0) > (newestId(current) ?? 0);
  return isAppend ? [...current, ...added] : [...current, ...added].sort(byId);
}

/** The newest `count` messages. */
export function keepNewest(messages: Messages, count: number): Messages {
  return messages.length > count ? messages.slice(-count) : messages;
}

export function newestId(messages: Messages): number | null {
  return messages.at(-1)?.id ?? null;
}

export function oldestId(messages: Messages): number | null {
  return messages[0]?.id ?? null;
}

/** Messages of others after an id. */
export function countUnread(messages: Messages, seenUpTo: number, userId: number): number {
  let count = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const message = messages[index];
    if (message === undefined || message.id <= seenUpTo) break;
    if (message.author.id !== userId) count += 1;
  }
  return count;
}

function byId(a: Message, b: Message): number {
  return a.id - b.id;
}
