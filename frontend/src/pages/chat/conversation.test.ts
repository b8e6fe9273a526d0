// Tests of a conversation: messages from three sources that meet, presence, typing, unread.

import { beforeEach, expect, test, vi } from "vitest";

import type { MessagePage, MessageRange } from "../../client/chat-api";
import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import { alice, bob, buildMessage, buildMessages, buildParticipant, buildRoom, encodeMessage } from "../../testing/builders";
import { FakeConnection, type FakeTopic } from "../../testing/fake-connection";
import { ManualClock } from "../../testing/manual-clock";
import { defer, settle } from "../../testing/settle";
import { Conversation, keptMessages } from "./conversation";

const pageSize = 50;

let connection: FakeConnection;
let clock: ManualClock;
/** What the server has stored. */
let stored: Message[];
let requests: MessageRange[];
let failure: ApiError | null;
let conversation: Conversation;

beforeEach(() => {
  connection = new FakeConnection();
  clock = new ManualClock();
  stored = [];
  requests = [];
  failure = null;
});

test("the newest page is shown", async () => {
  stored = buildMessages(1, 80);
  await open();
  expect(shownIds()).toEqual(range(31, 80));
  expect(conversation.hasOlder.value).toBe(true);
  expect(conversation.unreadCount.value).toBe(0);
});

test("a message stored between the first page and the subscription is not lost", async () => {
  stored = buildMessages(1, 3);
  await open();
  stored.push(buildMessage(4));
  chat().handlers.onSubscribed?.("new");
  await settle();
  expect(shownIds()).toEqual([1, 2, 3, 4]);
});

test("a publication and an answer for the same message are one message", async () => {
  await openLive();
  const message = buildMessage(1, { author: alice });
  publish(message);
  conversation.accept(message);
  conversation.accept(buildMessage(2, { author: alice }));
  publish(buildMessage(2, { author: alice }));
  expect(shownIds()).toEqual([1, 2]);
});

test("after a recovered return nothing is fetched", async () => {
  stored = buildMessages(1, 3);
  await openLive();
  const before = requests.length;
  chat().handlers.onSubscribed?.("recovered");
  await settle();
  expect(requests).toHaveLength(before);
});

test("after a gap the missed messages are fetched, page by page", async () => {
  stored = buildMessages(1, 10);
  await openLive();
  stored = buildMessages(1, 130);
  requests = [];
  chat().handlers.onSubscribed?.("gap");
  publish(buildMessage(131));
  await settle();
  expect(requests).toEqual([
    { from: "after", id: 10 },
    { from: "after", id: 60 },
    { from: "after", id: 110 },
  ]);
  expect(shownIds()).toEqual(range(1, 131));
});

test("an own message sent during a break does not hide what others wrote before it", async () => {
  stored = buildMessages(1, 10);
  await openLive();
  stored = [...buildMessages(1, 14), buildMessage(15, { author: alice })];
  conversation.accept(buildMessage(15, { author: alice }));
  chat().handlers.onSubscribed?.("gap");
  await settle();
  expect(shownIds()).toEqual(range(1, 15));
});

test("a gap that is reported while another is being closed is closed too", async () => {
  stored = buildMessages(1, 5);
  await openLive();
  stored = buildMessages(1, 8);
  requests = [];
  chat().handlers.onSubscribed?.("gap");
  // Lost again before the answer: 9 and 10 are stored after it was read.
  chat().handlers.onSubscribed?.("gap");
  await Promise.resolve();
  stored = buildMessages(1, 10);
  await settle();
  expect(requests.length).toBeGreaterThan(1);
  expect(shownIds()).toEqual(range(1, 10));
});

test("catching up that fails is tried again, from the same place", async () => {
  stored = buildMessages(1, 5);
  await openLive();
  stored = buildMessages(1, 9);
  failure = unreachable();
  chat().handlers.onSubscribed?.("gap");
  publish(buildMessage(10));
  await settle();
  expect(shownIds()).toEqual([1, 2, 3, 4, 5, 10]);
  // A second, recovered return must not make it forget what is still missing.
  chat().handlers.onSubscribed?.("recovered");
  failure = null;
  stored = buildMessages(1, 10);
  clock.advance(1000);
  await settle();
  expect(shownIds()).toEqual(range(1, 10));
});

test("waking fetches at once what is missing, and nothing when nothing is", async () => {
  failure = unreachable();
  stored = buildMessages(1, 5);
  await open();
  expect(conversation.status.value).toBe("loading");
  failure = null;
  conversation.wake();
  await settle();
  expect(shownIds()).toEqual(range(1, 5));
  chat().handlers.onSubscribed?.("new");
  await settle();
  const count = requests.length;
  conversation.wake();
  await settle();
  expect(requests).toHaveLength(count);
});

test("who missed very much begins afresh with the newest", async () => {
  stored = buildMessages(1, 10);
  await openLive();
  stored = buildMessages(1, 1000);
  chat().handlers.onSubscribed?.("gap");
  await settle();
  expect(shownIds()).toEqual(range(951, 1000));
  expect(conversation.hasOlder.value).toBe(true);
  publish(buildMessage(1001));
  expect(shownIds().at(-1)).toBe(1001);
});

test("older messages come before the others until there are none", async () => {
  stored = buildMessages(1, 120);
  await openLive();
  await conversation.loadOlder();
  expect(shownIds()).toEqual(range(21, 120));
  await conversation.loadOlder();
  expect(shownIds()).toEqual(range(1, 120));
  expect(conversation.hasOlder.value).toBe(false);
  const count = requests.length;
  await conversation.loadOlder();
  expect(requests).toHaveLength(count);
});

test("a failure to load older messages is shown and can be repeated", async () => {
  stored = buildMessages(1, 60);
  await openLive();
  failure = unreachable();
  await conversation.loadOlder();
  expect(conversation.olderStatus.value).toBe("failed");
  failure = null;
  await conversation.loadOlder();
  expect(conversation.olderStatus.value).toBe("idle");
  expect(shownIds()).toEqual(range(1, 60));
});

test("who stays at the newest message does not keep all the others", async () => {
  await openLive();
  for (let id = 1; id <= keptMessages + 20; id += 1) publish(buildMessage(id));
  conversation.markSeen();
  expect(shownIds()).toEqual(range(21, keptMessages + 20));
  expect(conversation.hasOlder.value).toBe(true);
});

test("a room that the server does not know is missing", async () => {
  failure = new ApiError("refused", "No such room.", { status: 404, code: "room_not_found" });
  await open();
  expect(conversation.status.value).toBe("missing");
});

test("a failure that will not pass by itself is shown and can be repeated", async () => {
  failure = new ApiError("broken", "Sorry.", { status: 500, code: "http_500" });
  await open();
  expect(conversation.status.value).toBe("failed");
  expect(conversation.problem.value).toBe("Sorry.");
  failure = null;
  stored = buildMessages(1, 2);
  conversation.retry();
  await settle();
  expect(conversation.status.value).toBe("ready");
  expect(shownIds()).toEqual([1, 2]);
});

test("messages of others are unread until they are seen, and marked as new", async () => {
  stored = buildMessages(1, 3);
  await openLive();
  publish(buildMessage(4));
  publish(buildMessage(5, { author: alice }));
  publish(buildMessage(6));
  expect(conversation.unreadCount.value).toBe(2);
  expect(conversation.newAfterId.value).toBe(3);
  conversation.markSeen();
  expect(conversation.unreadCount.value).toBe(0);
  expect(conversation.newAfterId.value).toBe(3);
  conversation.clearNewMark();
  expect(conversation.newAfterId.value).toBeNull();
});

test("what came since the last visit is marked as new", async () => {
  stored = buildMessages(1, 5);
  await open({ readUpTo: 3 });
  expect(conversation.unreadCount.value).toBe(2);
  expect(conversation.newAfterId.value).toBe(3);
});

test("a join while presence is asked for is not lost", async () => {
  await open();
  const answer = defer<ReturnType<typeof buildParticipant>[]>();
  chat().presence = answer.promise;
  chat().handlers.onSubscribed?.("new");
  chat().handlers.onJoined?.(buildParticipant("b", bob));
  answer.resolve([buildParticipant("a", alice)]);
  await settle();
  expect(memberNames()).toEqual(["Alice", "Bob"]);
  chat().handlers.onLeft?.(buildParticipant("b", bob));
  expect(memberNames()).toEqual(["Alice"]);
});

test("an answer to an older presence request does not replace a newer one", async () => {
  await open();
  const older = defer<ReturnType<typeof buildParticipant>[]>();
  chat().presence = older.promise;
  chat().handlers.onSubscribed?.("new");
  chat().presence = [buildParticipant("a", alice)];
  chat().handlers.onSubscribed?.("recovered");
  await settle();
  older.resolve([buildParticipant("a", alice), buildParticipant("gone", bob)]);
  await settle();
  expect(memberNames()).toEqual(["Alice"]);
});

test("a room without presence still shows its messages", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  stored = buildMessages(1, 2);
  await open();
  chat().presence = Promise.reject(new Error("108: not available"));
  chat().handlers.onSubscribed?.("new");
  await settle();
  expect(conversation.members.value).toBeNull();
  expect(shownIds()).toEqual([1, 2]);
  expect(warn).toHaveBeenCalledOnce();
});

test("others who type are shown until they stop, send, leave or fall silent", async () => {
  await openLive();
  const says = (value: boolean): void => {
    typing().handlers.onPublication({ typing: value }, buildParticipant("b", bob));
  };
  says(true);
  expect(typistNames()).toEqual(["Bob"]);
  says(false);
  expect(typistNames()).toEqual([]);
  says(true);
  publish(buildMessage(1, { author: bob }));
  expect(typistNames()).toEqual([]);
  says(true);
  chat().handlers.onLeft?.(buildParticipant("b", bob));
  expect(typistNames()).toEqual([]);
  says(true);
  clock.advance(4999);
  expect(typistNames()).toEqual(["Bob"]);
  clock.advance(1);
  expect(typistNames()).toEqual([]);
});

test("own typing in another tab is not shown", async () => {
  await openLive();
  typing().handlers.onPublication({ typing: true }, buildParticipant("other-tab", alice));
  expect(typistNames()).toEqual([]);
});

test("typing is told while connected only", async () => {
  await openLive();
  conversation.typed();
  conversation.stoppedTyping();
  connection.state.value = "connecting";
  conversation.typed();
  expect(typing().published).toEqual([{ typing: true }, { typing: false }]);
});

test("a closed conversation leaves no topic and no timer", async () => {
  await openLive();
  typing().handlers.onPublication({ typing: true }, buildParticipant("b", bob));
  conversation.typed();
  conversation.close();
  expect(chat().isClosed).toBe(true);
  expect(typing().isClosed).toBe(true);
  expect(clock.pendingTimers).toBe(0);
});

/** Opened, with the first page loaded. */
async function open({ readUpTo = null }: { readUpTo?: number | null } = {}): Promise<void> {
  conversation = new Conversation({
    room: buildRoom("lobby"),
    user: alice,
    api: { fetchMessages },
    connection,
    clock,
    readUpTo,
    onMessages: () => undefined,
  });
  await settle();
}

/** Opened, subscribed, and with nothing left to fetch. */
async function openLive(): Promise<void> {
  await open();
  chat().handlers.onSubscribed?.("new");
  await settle();
}

function fetchMessages(_slug: string, wanted: MessageRange): Promise<MessagePage> {
  requests.push(wanted);
  if (failure !== null) return Promise.reject(failure);
  if (wanted.from === "after") {
    const rest = stored.filter(({ id }) => id > wanted.id);
    return Promise.resolve({ messages: rest.slice(0, pageSize), hasMore: rest.length > pageSize });
  }
  const rest = wanted.from === "before" ? stored.filter(({ id }) => id < wanted.id) : stored;
  return Promise.resolve({ messages: rest.slice(-pageSize), hasMore: rest.length > pageSize });
}

function publish(message: Message): void {
  chat().handlers.onPublication({ type: "message", message: encodeMessage(message) }, null);
}

function chat(): FakeTopic {
  return connection.topic("chat:lobby");
}

function typing(): FakeTopic {
  return connection.topic("typing:lobby");
}

function shownIds(): number[] {
  return conversation.messages.value.map(({ id }) => id);
}

function memberNames(): string[] {
  return (conversation.members.value ?? []).map(({ name }) => name);
}

function typistNames(): string[] {
  return conversation.typists.value.map(({ name }) => name);
}

function range(first: number, last: number): number[] {
  return buildMessages(first, last).map(({ id }) => id);
}

function unreachable(): ApiError {
  return new ApiError("unreachable", "No answer.", { status: 0, code: "unreachable" });
}
