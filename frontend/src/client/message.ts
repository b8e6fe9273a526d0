// A message of a room, as Django stored it. `id` gives the order; `clientId` is the sender's own mark.

import { decodeInteger, decodeObject, decodeString } from "./decode";
import { type User, decodeUser } from "./user";

export interface Message {
  readonly id: number;
  readonly room: string;
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly sentAt: string;
  readonly clientId: string;
  readonly author: User;
}

export const maxMessageCharacters = 4000;

export function decodeMessage(value: unknown, path = "message"): Message {
  const fields = decodeObject(value, path);
  return {
    id: decodeInteger(fields["id"], `${path}.id`),
    room: decodeString(fields["room"], `${path}.room`),
    text: decodeString(fields["text"], `${path}.text`),
    sentAt: decodeString(fields["sent_at"], `${path}.sent_at`),
    clientId: decodeString(fields["client_id"], `${path}.client_id`),
    author: decodeUser(fields["author"], `${path}.author`),
  };
}

/** Characters as the server counts them: code points, not UTF-16 units. */
export function countCharacters(text: string): number {
  return Array.from(text).length;
}
