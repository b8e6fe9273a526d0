// Builders: users, rooms and messages for tests, with only what a test cares about spelt out.

import type { Participant } from "../client/connection";
import type { Message } from "../client/message";
import type { Room } from "../client/room";
import type { User } from "../client/user";

export const alice: User = { id: 1, username: "alice", name: "Alice" };
export const bob: User = { id: 2, username: "bob", name: "Bob" };

export function buildMessage(id: number, change: Partial<Message> = {}): Message {
  return {
    id,
    room: "lobby",
    text: `message ${id}`,
    sentAt: new Date(Date.UTC(2026, 0, 5, 12, 0, id)).toISOString(),
    clientId: `client-id-${id}`,
    author: bob,
    ...change,
  };
}

/** From `first` to `last`, both included. */
export function buildMessages(first: number, last: number): Message[] {
  return Array.from({ length: last - first + 1 }, (_, index) => buildMessage(first + index));
}

export function buildRoom(slug: string, change: Partial<Room> = {}): Room {
  return {
    slug,
    name: slug,
    description: "",
    topic: `chat:${slug}`,
    typingTopic: `typing:${slug}`,
    lastMessage: null,
    ...change,
  };
}

export function buildParticipant(client: string, user: User): Participant {
  return { client, user: String(user.id), name: user.name };
}

/** As the API and the topics carry it. */
export function encodeMessage(message: Message): unknown {
  return {
    id: message.id,
    room: message.room,
    text: message.text,
    sent_at: message.sentAt,
    client_id: message.clientId,
    author: message.author,
  };
}

export function encodeRoom(room: Room): unknown {
  return {
    slug: room.slug,
    name: room.name,
    description: room.description,
    topic: room.topic,
    typing_topic: room.typingTopic,
    last_message: room.lastMessage === null ? null : encodeMessage(room.lastMessage),
  };
}
