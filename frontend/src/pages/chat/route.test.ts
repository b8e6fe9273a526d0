// Tests of the route.

import { expect, test } from "vitest";

import { parseRoute, roomHref } from "./route";

test.each([
  ["", null],
  ["#/", null],
  ["#messages", null],
  ["#/rooms/", null],
  ["#/rooms/lobby", "lobby"],
  ["#/rooms/lobby/", "lobby"],
  ["#/rooms/lobby/more", null],
  ["#/rooms/%E6%97%A5", "日"],
  ["#/rooms/%", "%"],
])("%j names the room %j", (hash, slug) => {
  expect(parseRoute(hash).slug).toBe(slug);
});

test("the address of a room leads back to it", () => {
  for (const slug of ["lobby", "日本", "a/b", "100%"]) expect(parseRoute(roomHref(slug)).slug).toBe(slug);
});
