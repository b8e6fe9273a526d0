// Members: who is in a room now. Presence counts clients; people are counted once, however many
// tabs and devices they have.

import type { Participant } from "../../client/connection";

export interface Member {
  readonly user: string;
  readonly name: string;
  readonly isSelf: boolean;
}

export type PresenceChange =
  | { readonly type: "joined"; readonly participant: Participant }
  | { readonly type: "left"; readonly participant: Participant };

/** By client id. */
export type Participants = ReadonlyMap<string, Participant>;

/**
 * The answer to a presence request, with the changes that arrived while it was on its way. A client
 * id is never used twice, so a change that the answer already contains does no harm.
 */
export function participantsFrom(
  answer: readonly Participant[],
  changes: readonly PresenceChange[],
): Participants {
  const participants = new Map(answer.map((participant) => [participant.client, participant]));
  return changes.reduce<Participants>(applyPresence, participants);
}

export function applyPresence(participants: Participants, change: PresenceChange): Participants {
  const { participant } = change;
  const next = new Map(participants);
  switch (change.type) {
    case "joined":
      next.set(participant.client, participant);
      return next;
    case "left":
      next.delete(participant.client);
      return next;
  }
}

/** One per user: oneself first, then by name. */
export function membersOf(participants: Participants, selfUser: string): readonly Member[] {
  const members = new Map<string, Member>();
  for (const { user, name } of participants.values()) {
    const known = members.get(user);
    if (known === undefined || isPlaceholder(known)) {
      members.set(user, { user, name: name || placeholder(user), isSelf: user === selfUser });
    }
  }
  return [...members.values()].sort((a, b) =>
    a.isSelf === b.isSelf ? a.name.localeCompare(b.name) || a.user.localeCompare(b.user) : a.isSelf ? -1 : 1,
  );
}

function placeholder(user: string): string {
  return user === "" ? "Guest" : `User ${user}`;
}

function isPlaceholder(member: Member): boolean {
  return member.name === placeholder(member.user);
}
