// Tests of the rows of the message list. The tests run in UTC.

import { expect, test } from "vitest";

import type { Message } from "../../client/message";
import { alice, bob, buildMessage } from "../../testing/builders";
import type { PendingMessage } from "./outbox";
import { type Row, buildRows } from "./rows";

const at = (day: number, hour: number, minute: number): string =>
  new Date(Date.UTC(2026, 0, day, hour, minute)).toISOString();

const pendingMessage = (clientId: string, writtenAt: string): PendingMessage => ({
  clientId,
  room: "lobby",
  text: clientId,
  writtenAt,
  state: "sending",
  problem: null,
});

function rowsOf(messages: Message[], more: { pending?: PendingMessage[]; newAfterId?: number } = {}): Row[] {
  const { pending = [], newAfterId = null } = more;
  return buildRows({ messages, pending, user: alice, newAfterId });
}

/** "day", "new", or the text with a "+" before it where it continues a group. */
const outline = (rows: Row[]): string[] =>
  rows.map((row) => {
    switch (row.type) {
      case "day":
      case "new":
        return row.type;
      case "sent":
        return (row.continues ? "+" : "") + row.message.text;
      case "pending":
        return `${row.continues ? "+" : ""}${row.pending.text}?`;
    }
  });

test("consecutive messages of one author within five minutes are a group", () => {
  const rows = rowsOf([
    buildMessage(1, { text: "a", sentAt: at(5, 12, 0) }),
    buildMessage(2, { text: "b", sentAt: at(5, 12, 4) }),
    buildMessage(3, { text: "c", sentAt: at(5, 12, 6) }),
    buildMessage(4, { text: "d", sentAt: at(5, 12, 7), author: alice }),
    buildMessage(5, { text: "e", sentAt: at(5, 12, 7) }),
  ]);
  expect(outline(rows)).toEqual(["day", "a", "+b", "c", "d", "e"]);
});

test("each day has a separator, and a group does not cross it", () => {
  const rows = rowsOf([
    buildMessage(1, { text: "a", sentAt: at(5, 23, 59) }),
    buildMessage(2, { text: "b", sentAt: at(6, 0, 1) }),
  ]);
  expect(outline(rows)).toEqual(["day", "a", "day", "b"]);
});

test("pending messages come last, in the order written", () => {
  const rows = rowsOf([buildMessage(1, { text: "a", sentAt: at(5, 12, 0), author: alice })], {
    pending: [pendingMessage("x", at(5, 12, 1)), pendingMessage("y", at(5, 12, 2))],
  });
  expect(outline(rows)).toEqual(["day", "a", "+x?", "+y?"]);
});

test("a message whose publication came before its answer is shown once", () => {
  const sent = buildMessage(1, { text: "x", clientId: "x", author: alice, sentAt: at(5, 12, 0) });
  expect(outline(rowsOf([sent], { pending: [pendingMessage("x", at(5, 12, 0))] }))).toEqual(["day", "x"]);
});

test("a message of someone else with the same client id hides nothing", () => {
  const other = buildMessage(1, { text: "x", clientId: "x", author: bob, sentAt: at(5, 12, 0) });
  const rows = rowsOf([other], { pending: [pendingMessage("x", at(5, 12, 0))] });
  expect(outline(rows)).toEqual(["day", "x", "x?"]);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
});

test("a message keeps its key when it is confirmed", () => {
  const before = rowsOf([], { pending: [pendingMessage("x", at(5, 12, 0))] });
  const after = rowsOf([buildMessage(1, { clientId: "x", author: alice, sentAt: at(5, 12, 0) })]);
  expect(after.map(({ key }) => key)).toEqual(before.map(({ key }) => key));
});

test("the mark stands before the first new message of someone else, and begins a group", () => {
  const rows = rowsOf(
    [
      buildMessage(1, { text: "a", sentAt: at(5, 12, 0) }),
      buildMessage(2, { text: "b", sentAt: at(5, 12, 0), author: alice }),
      buildMessage(3, { text: "c", sentAt: at(5, 12, 1) }),
      buildMessage(4, { text: "d", sentAt: at(5, 12, 1) }),
    ],
    { newAfterId: 1 },
  );
  expect(outline(rows)).toEqual(["day", "a", "b", "new", "c", "+d"]);
});
