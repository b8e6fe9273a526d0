// Tests of the read marks.

import { expect, test } from "vitest";

import { alice, buildMessage, buildRoom } from "../../testing/builders";
import { MemoryStorage } from "../../testing/memory-storage";
import { ReadMarks } from "./read-marks";

const roomWith = (id: number, change = {}) => buildRoom("lobby", { lastMessage: buildMessage(id, change) });

test("a room is unread when someone wrote after the mark", () => {
  const marks = new ReadMarks(new MemoryStorage(), "read");
  marks.startFrom([roomWith(3)]);
  expect(marks.isUnread(roomWith(3), alice.id)).toBe(false);
  expect(marks.isUnread(roomWith(4), alice.id)).toBe(true);
  expect(marks.isUnread(roomWith(4, { author: alice }), alice.id)).toBe(false);
  marks.markRead("lobby", 4);
  expect(marks.isUnread(roomWith(4), alice.id)).toBe(false);
});

test("a mark never goes back, and outlives the page", () => {
  const storage = new MemoryStorage();
  const marks = new ReadMarks(storage, "read");
  marks.markRead("lobby", 9);
  marks.markRead("lobby", 4);
  expect(new ReadMarks(storage, "read").marks.value).toEqual({ lobby: 9 });
});

test("a storage with something else in it counts as empty", () => {
  const storage = new MemoryStorage();
  storage.write("read", { lobby: "nine" });
  expect(new ReadMarks(storage, "read").marks.value).toEqual({});
});
