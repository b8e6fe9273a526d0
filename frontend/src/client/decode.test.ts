// Tests of decoding what comes from outside.

import { expect, test } from "vitest";

import { buildMessage, buildRoom, encodeMessage, encodeRoom } from "../testing/builders";
import { decodeMessage } from "./message";
import { decodeChatPublication, decodeRoomsPublication, decodeTypingPublication } from "./publication";
import { decodeRoom } from "./room";
import { decodeUser } from "./user";

test("a room with its last message is read from its JSON", () => {
  const room = buildRoom("lobby", { lastMessage: buildMessage(7) });
  expect(decodeRoom(encodeRoom(room))).toEqual(room);
});

test("an error names the place, what was there and what was expected", () => {
  const message = { ...(encodeMessage(buildMessage(1)) as object), author: { id: "1" } };
  expect(() => decodeMessage(message)).toThrow("message.author.username: got undefined, expected a string.");
  expect(() => decodeMessage([])).toThrow("message: got a list, expected an object.");
  expect(() => decodeTypingPublication({ typing: 1 })).toThrow("publication.typing: got number");
});

test("a publication of a type that this page does not know is passed over", () => {
  expect(decodeChatPublication({ type: "reaction" })).toBeNull();
  expect(decodeRoomsPublication({ type: "archived" })).toBeNull();
});

test("an account without a name goes by its user name", () => {
  expect(decodeUser({ id: 1, username: "ada", name: " " }).name).toBe("ada");
});
