// Publications: what each topic of the page carries, as typed values.

import { decodeBoolean, decodeObject, decodeString } from "./decode";
import { type Message, decodeMessage } from "./message";
import { type Room, decodeRoom } from "./room";

/** In `chat:<slug>`: a message was stored. */
export interface MessagePublication {
  readonly type: "message";
  readonly message: Message;
}

/** In `rooms:all`: a room was created or changed. */
export interface RoomPublication {
  readonly type: "room";
  readonly room: Room;
}

/** In `typing:<slug>`, published by the page itself. */
export interface TypingPublication {
  readonly typing: boolean;
}

export const roomsTopic = "rooms:all";

/** Null for a type that a later server may add: an old page passes over it. */
export function decodeChatPublication(data: unknown): MessagePublication | null {
  const fields = decodeObject(data, "publication");
  if (decodeString(fields["type"], "publication.type") !== "message") return null;
  return { type: "message", message: decodeMessage(fields["message"], "publication.message") };
}

/** Null for a type that a later server may add: an old page passes over it. */
export function decodeRoomsPublication(data: unknown): RoomPublication | null {
  const fields = decodeObject(data, "publication");
  if (decodeString(fields["type"], "publication.type") !== "room") return null;
  return { type: "room", room: decodeRoom(fields["room"], "publication.room") };
}

export function decodeTypingPublication(data: unknown): TypingPublication {
  const fields = decodeObject(data, "publication");
  return { typing: decodeBoolean(fields["typing"], "publication.typing") };
}
