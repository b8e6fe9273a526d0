// Tests of the timeline.

import { expect, test } from "vitest";

import { alice, buildMessage, buildMessages } from "../../testing/builders";
import { type Messages, countUnread, keepNewest, mergeMessages } from "./timeline";

const ids = (messages: Messages): number[] => messages.map(({ id }) => id);

test("a message that comes twice is there once", () => {
  const messages = mergeMessages(buildMessages(1, 3), [buildMessage(3), buildMessage(4), buildMessage(4)]);
  expect(ids(messages)).toEqual([1, 2, 3, 4]);
});

test("messages that come out of order stand in the order of ids", () => {
  expect(ids(mergeMessages([buildMessage(5), buildMessage(9)], [buildMessage(7), buildMessage(2)]))).toEqual([
    2, 5, 7, 9,
  ]);
});

test("nothing new leaves the list as it is", () => {
  const messages = buildMessages(1, 3);
  expect(mergeMessages(messages, buildMessages(2, 3))).toBe(messages);
});

test("a known message stays the same object", () => {
  const known = buildMessage(1);
  expect(mergeMessages([known], [buildMessage(1), buildMessage(2)])[0]).toBe(known);
});

test("any cut, shuffle and repetition of a room's messages merges to the same list", () => {
  const all = buildMessages(1, 60);
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = createRandom(seed);
    // Batches that overlap, some of them repeated, in any order, together covering everything.
    const batches: Messages[] = [];
    for (let start = 0; start < all.length; start += 1 + Math.floor(random() * 8)) {
      const from = Math.max(0, start - Math.floor(random() * 6));
      const batch = shuffle(all.slice(from, start + 8), random);
      batches.push(batch);
      if (random() < 0.3) batches.push(shuffle(batch, random));
    }
    const merged = shuffle(batches, random).reduce<Messages>(mergeMessages, []);
    expect(ids(merged), `seed ${seed}`).toEqual(ids(all));
  }
});

test("only the newest are kept", () => {
  expect(ids(keepNewest(buildMessages(1, 9), 3))).toEqual([7, 8, 9]);
  const few = buildMessages(1, 2);
  expect(keepNewest(few, 3)).toBe(few);
});

test("messages of others after the last seen one are unread, own ones are not", () => {
  const messages = [...buildMessages(1, 4), buildMessage(5, { author: alice }), buildMessage(6)];
  expect(countUnread(messages, 3, alice.id)).toBe(2);
  expect(countUnread(messages, 6, alice.id)).toBe(0);
});

/** Mulberry32: the same numbers for the same seed, so that a failure can be run again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
