// Tests of the browser storage where it is forbidden, full or strange.

import { expect, test } from "vitest";

import { createStorage } from "./storage";

test("what is written is read back", () => {
  const storage = createStorage(() => window.localStorage);
  storage.write("key", { a: [1] });
  expect(storage.read("key")).toEqual({ a: [1] });
  storage.remove("key");
  expect(storage.read("key")).toBeUndefined();
});

test("a forbidden storage reads as empty and takes writes in silence", () => {
  const storage = createStorage(() => {
    throw new DOMException("denied", "SecurityError");
  });
  storage.write("key", 1);
  storage.remove("key");
  expect(storage.read("key")).toBeUndefined();
});

test("text that is not JSON reads as empty", () => {
  window.localStorage.setItem("switchboard.key", "{");
  expect(createStorage(() => window.localStorage).read("key")).toBeUndefined();
});
