// One message in the list: sent, being sent, or failed.

import type { ComponentChildren } from "preact";
import { memo } from "preact/compat";

import type { User } from "../../client/user";
import { Avatar } from "../../parts/avatar";
import { WarningIcon } from "../../parts/icons";
import { MessageText } from "./message-text";
import type { PendingMessage } from "./outbox";
import { formatFull, formatTime } from "./times";

export interface MessageRowProps {
  author: User;
  text: string;
  at: string;
  /** Null until the server has given one. */
  id: number | null;
  clientId: string;
  state: "sending" | "sent" | "failed";
  continues: boolean;
  children?: ComponentChildren;
}

export const MessageRow = memo(function MessageRow(props: MessageRowProps) {
  const { author, text, at, id, clientId, state, continues, children } = props;
  const date = new Date(at);
  const time = (
    <time class="message-time" dateTime={at} title={formatFull(date)}>
      {formatTime(date)}
    </time>
  );
  return (
    <li
      class={continues ? "message message-continues" : "message"}
      data-testid="message"
      data-id={id ?? undefined}
      data-client-id={clientId}
      data-state={state}
    >
      <div class="message-side">{continues ? time : <Avatar user={String(author.id)} name={author.name} />}</div>
      <div class="message-main">
        {continues ? (
          <span class="visually-hidden">{author.name}: </span>
        ) : (
          <p class="message-head">
            <span class="message-author">{author.name}</span>
            {time}
          </p>
        )}
        <MessageText text={text} />
        {children}
      </div>
    </li>
  );
});

export interface PendingRowProps {
  pending: PendingMessage;
  user: User;
  continues: boolean;
  isWaiting: boolean;
  onRetry: (clientId: string) => void;
  onDiscard: (clientId: string) => void;
}

export function PendingRow({ pending, user, continues, isWaiting, onRetry, onDiscard }: PendingRowProps) {
  const { clientId, state, problem } = pending;
  return (
    <MessageRow
      author={user}
      text={pending.text}
      at={pending.writtenAt}
      id={null}
      clientId={clientId}
      state={state}
      continues={continues}
    >
      {state === "sending" ? (
        <p class="message-note">{isWaiting ? "Waits for the connection" : "Sending…"}</p>
      ) : (
        <div class="message-problem" role="alert">
          <WarningIcon />
          <p>Not sent. {problem}</p>
          <button
            type="button"
            class="link-button"
            data-testid="message-retry"
            onClick={() => onRetry(clientId)}
          >
            Try again
          </button>
          <button
            type="button"
            class="link-button"
            data-testid="message-discard"
            onClick={() => onDiscard(clientId)}
          >
            Delete
          </button>
        </div>
      )}
    </MessageRow>
  );
}
