// The open room: its head, messages, typing line and composer.

import { useLayoutEffect, useRef } from "preact/hooks";

import { isTouch, width } from "../../environment";
import { BackIcon, PeopleIcon } from "../../parts/icons";
import { Notice } from "../../parts/notice";
import { useChat } from "./chat-context";
import { Composer } from "./composer";
import { ConnectionBanner, ConnectionStatus } from "./connection-status";
import type { Conversation } from "./conversation";
import { MessageList } from "./message-list";
import { homeHref } from "./route";
import { TypingLine } from "./typing-line";

export interface RoomViewProps {
  conversation: Conversation;
  onShowMembers: () => void;
}

export function RoomView({ conversation, onShowMembers }: RoomViewProps) {
  const { chat } = useChat();
  const { slug } = conversation.room;
  // The directory's is kept up to date, the conversation's is from when it was opened.
  const room = chat.directory.rooms.value.find((known) => known.slug === slug) ?? conversation.room;
  const titleRef = useRef<HTMLHeadingElement>(null);

  useLayoutEffect(() => {
    // Elsewhere the composer takes the focus.
    if (isTouch.value) titleRef.current?.focus({ preventScroll: true });
  }, [slug]);

  if (conversation.status.value === "missing") return <MissingRoom slug={slug} />;
  return (
    <main class="room-view" id="main" tabIndex={-1}>
      <header class="room-head">
        {width.value === "narrow" && <BackLink />}
        <div class="room-head-text">
          <h1 ref={titleRef} tabIndex={-1}>
            {room.name}
          </h1>
          {room.description !== "" && <p title={room.description}>{room.description}</p>}
        </div>
        {width.value === "narrow" && <ConnectionStatus />}
        {width.value !== "wide" && <MembersButton conversation={conversation} onShowMembers={onShowMembers} />}
      </header>
      <ConnectionBanner />
      <Messages conversation={conversation} />
      <footer class="room-foot">
        <TypingLine conversation={conversation} />
        <Composer key={slug} conversation={conversation} />
      </footer>
    </main>
  );
}

function Messages({ conversation }: { conversation: Conversation }) {
  switch (conversation.status.value) {
    case "loading":
      return <MessagesSkeleton />;
    case "failed":
      return (
        <Notice title="The messages could not be loaded">
          <p>{conversation.problem.value}</p>
          <button type="button" class="button" onClick={() => conversation.retry()}>
            Try again
          </button>
        </Notice>
      );
    case "missing":
      return null;
    case "ready":
      return <MessageList conversation={conversation} />;
  }
}

interface MembersButtonProps {
  conversation: Conversation;
  onShowMembers: () => void;
}

function MembersButton({ conversation, onShowMembers }: MembersButtonProps) {
  const count = conversation.members.value?.length;
  const label = count === undefined ? "Who is here" : `Who is here: ${count}`;
  return (
    <button
      type="button"
      class="icon-button members-button"
      aria-label={label}
      title={label}
      aria-haspopup="dialog"
      data-testid="show-members"
      onClick={onShowMembers}
    >
      <PeopleIcon />
      {count !== undefined && <span aria-hidden="true">{count}</span>}
    </button>
  );
}

export function BackLink() {
  return (
    <a class="icon-button" href={homeHref} aria-label="All rooms" title="All rooms" data-testid="back">
      <BackIcon />
    </a>
  );
}

export function OpeningRoom() {
  return (
    <main class="room-view" id="main" tabIndex={-1}>
      <header class="room-head">{width.value === "narrow" && <BackLink />}</header>
      <MessagesSkeleton />
    </main>
  );
}

export function MissingRoom({ slug }: { slug: string }) {
  return (
    <main class="room-view" id="main" tabIndex={-1} data-testid="missing-room">
      <header class="room-head">{width.value === "narrow" && <BackLink />}</header>
      <Notice title="There is no such room" heading="h1">
        <p>
          “{slug}” is not one of the rooms. It may have been renamed or removed, or the address has a
          mistake in it.
        </p>
        <a class="button" href={homeHref}>
          Go to the rooms
        </a>
      </Notice>
    </main>
  );
}

function MessagesSkeleton() {
  return (
    <div class="messages-skeleton" role="status">
      <span class="visually-hidden">Loading the messages</span>
      {[62, 38, 74, 50].map((lineWidth) => (
        <div key={lineWidth} class="message-skeleton" aria-hidden="true">
          <span class="skeleton skeleton-round" />
          <span class="skeleton" style={{ width: `${lineWidth}%` }} />
        </div>
      ))}
    </div>
  );
}
