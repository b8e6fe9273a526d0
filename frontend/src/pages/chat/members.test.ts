// Tests of the members: people from presence.

import { expect, test } from "vitest";

import { alice, bob, buildParticipant } from "../../testing/builders";
import { type Participants, type PresenceChange, applyPresence, membersOf, participantsFrom } from "./members";

const names = (participants: Participants): string[] =>
  membersOf(participants, String(alice.id)).map(({ name }) => name);

const joined = (client: string, user = bob): PresenceChange => ({
  type: "joined",
  participant: buildParticipant(client, user),
});
const left = (client: string, user = bob): PresenceChange => ({
  type: "left",
  participant: buildParticipant(client, user),
});

test("a user with two tabs is one member, until the last tab is closed", () => {
  let participants = participantsFrom([buildParticipant("a", alice)], [joined("b1"), joined("b2")]);
  expect(names(participants)).toEqual(["Alice", "Bob"]);
  participants = applyPresence(participants, left("b1"));
  expect(names(participants)).toEqual(["Alice", "Bob"]);
  participants = applyPresence(participants, left("b2"));
  expect(names(participants)).toEqual(["Alice"]);
});

test("changes while the answer is on its way are applied to it", () => {
  const answer = [buildParticipant("a", alice), buildParticipant("b1", bob)];
  expect(names(participantsFrom(answer, [left("b1")]))).toEqual(["Alice"]);
  expect(names(participantsFrom([], [joined("b1"), left("b1"), joined("b2")]))).toEqual(["Bob"]);
});

test("changes that the answer already contains do no harm", () => {
  const answer = [buildParticipant("b2", bob)];
  expect(names(participantsFrom(answer, [joined("b1"), left("b1"), joined("b2")]))).toEqual(["Bob"]);
});

test("oneself comes first, the others by name", () => {
  const zoe = { id: 3, username: "zoe", name: "Zoe" };
  const self = { ...alice, name: "Yan" };
  const participants = participantsFrom(
    [buildParticipant("z", zoe), buildParticipant("b", bob), buildParticipant("y", self)],
    [],
  );
  expect(names(participants)).toEqual(["Yan", "Bob", "Zoe"]);
});

test("a client without a name does not hide the name that another client of the user has", () => {
  const nameless = { ...buildParticipant("b1", bob), name: "" };
  expect(names(participantsFrom([nameless], []))).toEqual(["User 2"]);
  expect(names(participantsFrom([nameless, buildParticipant("b2", bob)], []))).toEqual(["Bob"]);
});
