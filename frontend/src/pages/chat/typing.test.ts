// Tests of typing: the throttle, and who is shown.

import { expect, test } from "vitest";

import { ManualClock } from "../../testing/manual-clock";
import {
  TypingSender,
  type Typists,
  addTypist,
  describeTypists,
  dropExpired,
  removeTypist,
  typingExpiryMs,
  typingIdleMs,
  typingRepeatMs,
} from "./typing";

function createSender() {
  const clock = new ManualClock();
  const published: boolean[] = [];
  const sender = new TypingSender((typing) => published.push(typing), clock);
  return { clock, published, sender };
}

test("many keys are one publication", () => {
  const { clock, published, sender } = createSender();
  for (let key = 0; key < 20; key += 1) {
    sender.typed();
    clock.advance(50);
  }
  expect(published).toEqual([true]);
});

test("someone who goes on typing says so again before others forget", () => {
  const { clock, published, sender } = createSender();
  const saidAt: number[] = [];
  for (let passed = 0; passed < 10_000; passed += 200) {
    const count = published.length;
    sender.typed();
    if (published.length > count) saidAt.push(passed);
    clock.advance(200);
  }
  const pauses = saidAt.slice(1).map((at, index) => at - (saidAt[index] ?? 0));
  expect(pauses.length).toBeGreaterThan(2);
  for (const pause of pauses) {
    expect(pause).toBeGreaterThanOrEqual(typingRepeatMs);
    expect(pause).toBeLessThan(typingExpiryMs);
  }
});

test("a pause is told once", () => {
  const { clock, published, sender } = createSender();
  sender.typed();
  clock.advance(typingIdleMs * 3);
  expect(published).toEqual([true, false]);
});

test("sending the message ends the typing at once", () => {
  const { clock, published, sender } = createSender();
  sender.typed();
  sender.stopped();
  sender.stopped();
  expect(published).toEqual([true, false]);
  expect(clock.pendingTimers).toBe(0);
});

test("typing after a stop is told at once", () => {
  const { published, sender } = createSender();
  sender.typed();
  sender.stopped();
  sender.typed();
  expect(published).toEqual([true, false, true]);
});

test("typists are shown in the order in which they began, each once", () => {
  let typists: Typists = [];
  typists = addTypist(typists, { user: "1", name: "Ada", until: 10 });
  typists = addTypist(typists, { user: "2", name: "Bo", until: 11 });
  typists = addTypist(typists, { user: "1", name: "Ada", until: 15 });
  expect(typists.map(({ user, until }) => [user, until])).toEqual([
    ["1", 15],
    ["2", 11],
  ]);
});

test("a typist leaves when the time is up, and not before", () => {
  const typists = addTypist([], { user: "1", name: "Ada", until: 10 });
  expect(dropExpired(typists, 9)).toBe(typists);
  expect(dropExpired(typists, 10)).toEqual([]);
  expect(removeTypist(typists, "2")).toBe(typists);
  expect(removeTypist(typists, "1")).toEqual([]);
});

test.each([
  [[], ""],
  [["Ada"], "Ada is typing…"],
  [["Ada", "Bo"], "Ada and Bo are typing…"],
  [["Ada", "Bo", "Cy", "Di"], "Ada, Bo and 2 more are typing…"],
])("%j typing reads %j", (names, text) => {
  expect(describeTypists(names.map((name, index) => ({ user: String(index), name, until: 1 })))).toBe(text);
});
