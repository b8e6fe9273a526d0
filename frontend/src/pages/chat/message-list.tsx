// The messages of a conversation: a log that follows the newest message, loads older ones on the way
// up, and tells how many are new below.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { isVisible } from "../../environment";
import { DownIcon } from "../../parts/icons";
import { Notice } from "../../parts/notice";
import { useChat } from "./chat-context";
import type { Conversation } from "./conversation";
import { MessageRow, PendingRow } from "./message-row";
import { type Row, buildRows } from "./rows";
import { ScrollAnchor } from "./scroll-anchor";
import { formatDay } from "./times";

/** Older messages are asked for before the user reaches the top. */
const loadOlderWithinPx = 400;

export function MessageList({ conversation }: { conversation: Conversation }) {
  const { chat } = useChat();
  const { room, messages, olderStatus, unreadCount } = conversation;
  const scrollerRef = useRef<HTMLDivElement>(null);
  const contentRef = useRef<HTMLDivElement>(null);
  const anchorRef = useRef<ScrollAnchor | null>(null);
  const isAtEnd = useSignal(true);

  const pending = useComputed(() => chat.outbox.entries.value.filter((entry) => entry.room === room.slug));
  const rows = useComputed(() =>
    buildRows({
      messages: messages.value,
      pending: pending.value,
      user: chat.user,
      newAfterId: conversation.newAfterId.value,
    }),
  );
  // Once sent, a message counts as the same: only a new one takes its writer to the end.
  const newestWritten = pending.value.at(-1)?.clientId;

  const look = (): void => {
    const anchor = anchorRef.current;
    const scroller = scrollerRef.current;
    if (anchor === null || scroller === null) return;
    isAtEnd.value = anchor.isAtEnd;
    if (scroller.scrollTop < loadOlderWithinPx && olderStatus.value === "idle") void conversation.loadOlder();
  };

  useLayoutEffect(() => {
    const scroller = scrollerRef.current;
    if (scroller !== null) anchorRef.current ??= new ScrollAnchor(scroller);
    anchorRef.current?.restore();
    look();
  });

  useLayoutEffect(() => {
    if (newestWritten === undefined) return;
    anchorRef.current?.goToEnd();
    isAtEnd.value = true;
  }, [newestWritten, isAtEnd]);

  useEffect(() => {
    const observer = new ResizeObserver(() => anchorRef.current?.restore());
    if (scrollerRef.current !== null) observer.observe(scrollerRef.current);
    if (contentRef.current !== null) observer.observe(contentRef.current);
    return () => observer.disconnect();
  }, []);

  useSignalEffect(() => {
    const newest = messages.value.at(-1);
    if (newest !== undefined && isAtEnd.value && isVisible.value) chat.markSeen(conversation);
  });

  const goToEnd = (): void => {
    anchorRef.current?.goToEnd();
    isAtEnd.value = true;
    scrollerRef.current?.focus({ preventScroll: true });
  };

  return (
    <div class="messages-frame">
      <div
        ref={scrollerRef}
        id="messages"
        class="messages"
        role="log"
        aria-label={`Messages in ${room.name}`}
        aria-busy={olderStatus.value === "loading"}
        tabIndex={0}
        data-testid="messages"
        onScroll={() => {
          anchorRef.current?.remember();
          look();
        }}
      >
        <div ref={contentRef} class="messages-content">
          <Beginning conversation={conversation} isEmpty={rows.value.length === 0} />
          <ol class="messages-list">
            {rows.value.map((row) => (
              <RowView key={row.key} row={row} />
            ))}
          </ol>
        </div>
      </div>
      {!isAtEnd.value && (
        <button type="button" class="new-messages" data-testid="new-messages" onClick={goToEnd}>
          {unreadCount.value > 0 ? describeNew(unreadCount.value) : "Go to the newest"}
          <DownIcon />
        </button>
      )}
    </div>
  );
}

interface RowViewProps {
  row: Row;
}

function RowView({ row }: RowViewProps) {
  const { chat } = useChat();
  switch (row.type) {
    case "day":
      return (
        <li class="day">
          <time dateTime={row.date.toISOString()}>{formatDay(row.date, new Date())}</time>
        </li>
      );
    case "new":
      return <li class="new-mark">New</li>;
    case "sent": {
      const { id, author, text, sentAt, clientId } = row.message;
      return (
        <MessageRow
          id={id}
          author={author}
          text={text}
          at={sentAt}
          clientId={clientId}
          state="sent"
          continues={row.continues}
        />
      );
    }
    case "pending":
      return (
        <PendingRow
          pending={row.pending}
          user={chat.user}
          continues={row.continues}
          isWaiting={chat.outbox.isWaiting.value}
          onRetry={(clientId) => chat.outbox.retry(clientId)}
          onDiscard={(clientId) => chat.outbox.discard(clientId)}
        />
      );
  }
}

interface BeginningProps {
  conversation: Conversation;
  isEmpty: boolean;
}

/** What stands above the oldest message that is loaded. */
function Beginning({ conversation, isEmpty }: BeginningProps) {
  const { room, hasOlder, olderStatus } = conversation;
  if (hasOlder.value) {
    return (
      <div class="older">
        {olderStatus.value === "failed" ? (
          <>
            <p>Older messages could not be loaded.</p>
            <button type="button" class="link-button" onClick={() => void conversation.loadOlder()}>
              Try again
            </button>
          </>
        ) : (
          <p>Loading older messages…</p>
        )}
      </div>
    );
  }
  if (isEmpty) {
    return (
      <Notice title={`Nothing said in ${room.name} yet`}>
        <p>{room.description || "Write the first message below."}</p>
      </Notice>
    );
  }
  return (
    <div class="beginning">
      <p class="beginning-title">This is the beginning of {room.name}.</p>
      {room.description !== "" && <p>{room.description}</p>}
    </div>
  );
}

function describeNew(count: number): string {
  return count === 1 ? "1 new message" : `${count} new messages`;
}
