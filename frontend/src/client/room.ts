// A room: a place to talk, with the topics its publications come in.

import { decodeNullable, decodeObject, decodeString } from "./decode";
import { type Message, decodeMessage } from "./message";

export interface Room {
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly topic: string;
  readonly typingTopic: string;
  readonly lastMessage: Message | null;
}

export const maxRoomNameCharacters = 60;
export const maxRoomDescriptionCharacters = 200;

export function decodeRoom(value: unknown, path = "room"): Room {
  const fields = decodeObject(value, path);
  return {
    slug: decodeString(fields["slug"], `${path}.slug`),
    name: decodeString(fields["name"], `${path}.name`),
    description: decodeString(fields["description"], `${path}.description`),
    topic: decodeString(fields["topic"], `${path}.topic`),
    typingTopic: decodeString(fields["typing_topic"], `${path}.typing_topic`),
    lastMessage: decodeNullable(fields["last_message"], decodeMessage, `${path}.last_message`),
  };
}
