// Tests of the chat: the address, the rooms, the open conversation and the outbox together.

import { signal } from "@preact/signals";
import { beforeEach, expect, test } from "vitest";

import type { ChatApi } from "../../client/chat-api";
import { ApiError } from "../../client/http";
import type { Message } from "../../client/message";
import { roomsTopic } from "../../client/publication";
import type { Room } from "../../client/room";
import { alice, buildMessage, buildRoom, encodeMessage, encodeRoom } from "../../testing/builders";
import { FakeConnection } from "../../testing/fake-connection";
import { ManualClock } from "../../testing/manual-clock";
import { MemoryStorage } from "../../testing/memory-storage";
import { settle } from "../../testing/settle";
import { Chat } from "./chat";
import type { Conversation } from "./conversation";

let connection: FakeConnection;
let rooms: Room[];
let stored: Message[];
let isServerUp: boolean;
let browserStorage: MemoryStorage;
const slug = signal<string | null>(null);

beforeEach(() => {
  connection = new FakeConnection();
  rooms = [buildRoom("lobby"), buildRoom("help")];
  stored = [];
  isServerUp = true;
  browserStorage = new MemoryStorage();
  slug.value = null;
});

test("the rooms are listed by name", async () => {
  const chat = await createChat();
  expect(chat.directory.rooms.value.map(({ name }) => name)).toEqual(["help", "lobby"]);
});

test("the address opens a room, once the list is here", async () => {
  slug.value = "lobby";
  const chat = buildChat();
  expect(chat.openRoom.value.type).toBe("opening");
  await settle();
  expect(conversationOf(chat).room.slug).toBe("lobby");
  expect(chat.lastRoom).toBe("lobby");
});

test("an address that names no room says so, until there is one", async () => {
  slug.value = "new";
  const chat = await createChat();
  expect(chat.openRoom.value).toEqual({ type: "missing", slug: "new" });
  publishRoom(buildRoom("new"));
  expect(conversationOf(chat).room.slug).toBe("new");
});

test("going to another room closes the first", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  slug.value = "help";
  expect(conversationOf(chat).room.slug).toBe("help");
  expect(connection.topic("chat:lobby").isClosed).toBe(true);
  slug.value = "lobby";
  expect(connection.topic("chat:lobby").isClosed).toBe(false);
});

test("a change of the room does not open it again", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  const before = conversationOf(chat);
  publishRoom(buildRoom("lobby", { description: "All of us." }));
  publishMessage(buildMessage(1));
  expect(conversationOf(chat)).toBe(before);
});

test("a room that someone makes appears", async () => {
  const chat = await createChat();
  publishRoom(buildRoom("design"));
  expect(chat.directory.rooms.value.map(({ name }) => name)).toEqual(["design", "help", "lobby"]);
});

test("a message in the open room is the last one in the list too", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  publishMessage(buildMessage(7));
  await chat.directory.refresh(); // The list may still be from before the message.
  expect(chat.directory.rooms.value.find((room) => room.slug === "lobby")?.lastMessage?.id).toBe(7);
});

test("a sent message is shown once, in whichever order its answer and publication come", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  const conversation = conversationOf(chat);
  chat.send(conversation, "answer first");
  expect(chat.outbox.entries.value).toHaveLength(1);
  await settle();
  publishMessage(stored[0] ?? buildMessage(0));
  chat.send(conversation, "publication first");
  publishMessage(stored[1] ?? buildMessage(0));
  expect(chat.outbox.entries.value).toEqual([]);
  await settle();
  expect(conversation.messages.value.map(({ text }) => text)).toEqual(["answer first", "publication first"]);
});

test("when the connection is back, what waited is sent in order", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  isServerUp = false;
  connection.state.value = "connecting";
  for (const text of ["one", "two", "three"]) chat.send(conversationOf(chat), text);
  await settle();
  expect(stored).toEqual([]);
  isServerUp = true;
  connection.state.value = "connected";
  await settle();
  expect(stored.map(({ text }) => text)).toEqual(["one", "two", "three"]);
  expect(conversationOf(chat).messages.value).toHaveLength(3);
});

test("a room in which others wrote elsewhere is unread until it is opened", async () => {
  const chat = await createChat();
  const last = buildMessage(9, { room: "help" });
  publishRoom(buildRoom("help", { lastMessage: last }));
  const help = chat.directory.rooms.value.find((room) => room.slug === "help") ?? buildRoom("none");
  expect(chat.readMarks.isUnread(help, alice.id)).toBe(true);
  stored = [last];
  slug.value = "help";
  await settle();
  chat.markSeen(conversationOf(chat));
  expect(chat.readMarks.isUnread(help, alice.id)).toBe(false);
});

test("a draft waits in its room", async () => {
  const chat = await createChat();
  chat.keepDraft("lobby", "half a thou");
  expect(chat.readDraft("lobby")).toBe("half a thou");
  expect(chat.readDraft("help")).toBe("");
});

test("a closed chat leaves no topic open", async () => {
  slug.value = "lobby";
  const chat = await createChat();
  chat.close();
  for (const name of [roomsTopic, "chat:lobby", "typing:lobby"]) {
    expect(connection.topic(name).isClosed).toBe(true);
  }
});

/** With everything loaded. */
async function createChat(): Promise<Chat> {
  const chat = buildChat();
  await settle();
  return chat;
}

function buildChat(): Chat {
  let nextClientId = 1;
  return new Chat({
    user: alice,
    api: createApi(),
    connection,
    clock: new ManualClock(),
    newClientId: () => `id-${nextClientId++}`,
    tabStorage: new MemoryStorage(),
    browserStorage,
    slug,
  });
}

function createApi(): ChatApi {
  return {
    fetchRooms: () => Promise.resolve(rooms),
    createRoom: ({ name, description }) => Promise.resolve(buildRoom(name, { description })),
    fetchMessages: (room) =>
      Promise.resolve({ messages: stored.filter((message) => message.room === room), hasMore: false }),
    sendMessage: (room, text, clientId) => {
      if (!isServerUp) {
        return Promise.reject(new ApiError("unreachable", "No answer.", { status: 0, code: "unreachable" }));
      }
      const message = buildMessage(stored.length + 1, { room, text, clientId, author: alice });
      stored.push(message);
      return Promise.resolve(message);
    },
    fetchConnectionToken: () => Promise.resolve("token"),
  };
}

function conversationOf(chat: Chat): Conversation {
  const open = chat.openRoom.value;
  if (open.type !== "open") throw new Error(`got "${open.type}", expected an open room`);
  return open.conversation;
}

function publishRoom(room: Room): void {
  connection.topic(roomsTopic).handlers.onPublication({ type: "room", room: encodeRoom(room) }, null);
}

function publishMessage(message: Message): void {
  connection
    .topic(`chat:${message.room}`)
    .handlers.onPublication({ type: "message", message: encodeMessage(message) }, null);
}
