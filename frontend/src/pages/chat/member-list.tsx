// The members: who is in the room now.

import { Avatar } from "../../parts/avatar";
import { useChat } from "./chat-context";
import type { Conversation } from "./conversation";

export function MemberList({ conversation }: { conversation: Conversation }) {
  const { chat } = useChat();
  const members = conversation.members.value;
  const isStale = chat.connection.state.value !== "connected";
  if (members === null) {
    return <p class="members-note">{isStale ? "Known when the connection is back." : "Looking who is here…"}</p>;
  }
  return (
    <>
      <ul class={isStale ? "members-list members-stale" : "members-list"} data-testid="members">
        {members.map(({ user, name, isSelf }) => (
          <li key={user} class="member" data-testid="member" data-user={user}>
            <Avatar user={user} name={name} size="small" />
            <span class="member-name">{name}</span>
            {isSelf && <span class="member-self">you</span>}
          </li>
        ))}
      </ul>
      {isStale && <p class="members-note">As of when the connection was lost.</p>}
    </>
  );
}
