// Tests of the outbox.

import { beforeEach, expect, test } from "vitest";

import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import { alice, buildMessage } from "../../testing/builders";
import { ManualClock } from "../../testing/manual-clock";
import { MemoryStorage } from "../../testing/memory-storage";
import { settle } from "../../testing/settle";
import { Outbox } from "./outbox";

type Answer = "stored" | "unreachable" | "busy" | "refused" | "unauthenticated";

let clock: ManualClock;
let storage: MemoryStorage;
/** What the server does with each request; "stored" once the list is used up. */
let answers: Answer[];
let requests: string[];
let sent: string[];
let nextId: number;

beforeEach(() => {
  clock = new ManualClock();
  storage = new MemoryStorage();
  answers = [];
  requests = [];
  sent = [];
  nextId = 1;
});

test("messages are sent one at a time in the order they were written", async () => {
  const outbox = createOutbox();
  for (const text of ["one", "two", "three"]) outbox.add("lobby", text);
  expect(requests).toEqual(["one"]);
  await settle();
  expect(sent).toEqual(["one", "two", "three"]);
  expect(outbox.entries.value).toEqual([]);
});

test("while the server is away messages wait, and go in order when it is back", async () => {
  answers = ["unreachable"];
  const outbox = createOutbox();
  for (const text of ["one", "two", "three"]) outbox.add("lobby", text);
  await settle();
  expect(requests).toEqual(["one"]);
  expect(outbox.isWaiting.value).toBe(true);
  expect(outbox.entries.value.map(({ state }) => state)).toEqual(["sending", "sending", "sending"]);

  outbox.wake();
  await settle();
  expect(sent).toEqual(["one", "two", "three"]);
  expect(outbox.isWaiting.value).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

test("a repeated request carries the same client id", async () => {
  answers = ["unreachable", "busy"];
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  await settle();
  clock.advance(1000);
  await settle();
  clock.advance(2000);
  await settle();
  expect(requests).toEqual(["one", "one", "one"]);
  expect(sent).toEqual(["one"]);
});

test("attempts come at growing intervals", async () => {
  answers = Array<Answer>(8).fill("unreachable");
  createOutbox().add("lobby", "one");
  const counts: number[] = [];
  for (const ms of [1000, 2000, 4000, 8000, 15_000, 15_000]) {
    await settle();
    clock.advance(ms - 1);
    await settle();
    counts.push(requests.length);
    clock.advance(1);
  }
  expect(counts).toEqual([1, 2, 3, 4, 5, 6]);
});

test("a refused message fails with its reason and does not hold up the next", async () => {
  answers = ["refused"];
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  outbox.add("lobby", "two");
  await settle();
  expect(sent).toEqual(["two"]);
  expect(outbox.entries.value).toMatchObject([{ text: "one", state: "failed", problem: "refused" }]);
});

test("a failed message can be sent again", async () => {
  answers = ["refused"];
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  await settle();
  outbox.retry("id-1");
  await settle();
  expect(sent).toEqual(["one"]);
  expect(outbox.entries.value).toEqual([]);
});

test("a failed message can be discarded", async () => {
  answers = ["refused"];
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  await settle();
  outbox.discard("id-1");
  expect(outbox.entries.value).toEqual([]);
});

test("a publication confirms a message whose answer was lost", async () => {
  answers = ["unreachable"];
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  await settle();
  outbox.settle(buildMessage(1, { clientId: "id-1" }));
  expect(outbox.entries.value).toEqual([]);
  outbox.wake();
  await settle();
  expect(requests).toEqual(["one"]);
});

test("a publication that comes before the answer changes nothing for the next message", async () => {
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  outbox.add("lobby", "two");
  outbox.settle(buildMessage(1, { clientId: "id-1" }));
  await settle();
  expect(requests).toEqual(["one", "two"]);
  expect(outbox.entries.value).toEqual([]);
});

test("when the session ends, unsent messages stay for the next sign-in", async () => {
  answers = ["unauthenticated"];
  const before = createOutbox();
  before.add("lobby", "one");
  before.add("lobby", "two");
  await settle();
  before.close();
  expect(sent).toEqual([]);

  const after = createOutbox();
  after.wake();
  await settle();
  expect(sent).toEqual(["one", "two"]);
});

test("a closed outbox sends nothing more", async () => {
  const outbox = createOutbox();
  outbox.add("lobby", "one");
  outbox.add("lobby", "two");
  outbox.close();
  await settle();
  expect(requests).toEqual(["one"]);
});

test("a storage with something else in it counts as empty", () => {
  storage.write("outbox", [{ clientId: 7 }]);
  expect(createOutbox().entries.value).toEqual([]);
});

function createOutbox(): Outbox {
  let nextClientId = 1;
  return new Outbox({
    send,
    onSent: (message) => sent.push(message.text),
    newClientId: () => `id-${nextClientId++}`,
    clock,
    storage,
    storageKey: "outbox",
  });
}

function send(room: string, text: string, clientId: string): Promise<Message> {
  requests.push(text);
  const answer = answers.shift() ?? "stored";
  if (answer === "stored") {
    return Promise.resolve(buildMessage(nextId++, { room, text, clientId, author: alice }));
  }
  return Promise.reject(new ApiError(answer, answer, { status: 0, code: answer }));
}
