// Tests of avatars.

import { expect, test } from "vitest";

import { colourOf, initialsOf } from "./avatar";

test.each([
  ["Ada King Lovelace", "AL"],
  ["bob", "B"],
  ["mary-jane", "MJ"],
  ["李小龙", "李"],
  ["👩🏽‍🚀 Zoe", "👩🏽‍🚀Z"],
  ["  ", "?"],
])("the initials of %j are %j", (name, initials) => {
  expect(initialsOf(name)).toBe(initials);
});

test("a user keeps the colour, and neighbours differ", () => {
  expect(colourOf("42")).toBe(colourOf("42"));
  for (let id = 1; id < 9; id += 1) expect(colourOf(String(id))).not.toBe(colourOf(String(id + 1)));
  for (let id = 1; id < 200; id += 1) {
    expect(colourOf(String(id))).toBeGreaterThanOrEqual(0);
    expect(colourOf(String(id))).toBeLessThan(8);
  }
});
