// The composer: where a message is written. Enter sends, Shift+Enter begins a new line.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { countCharacters, maxMessageCharacters } from "../../client/message";
import { isTouch } from "../../environment";
import { SendIcon } from "../../parts/icons";
import { useChat } from "./chat-context";
import type { Conversation } from "./conversation";

/** From here on, the number of characters left is shown. */
const showCountWithin = 500;

export function Composer({ conversation }: { conversation: Conversation }) {
  const { chat } = useChat();
  const { room } = conversation;
  const text = useSignal(chat.readDraft(room.slug));
  const inputRef = useRef<HTMLTextAreaElement>(null);

  const left = maxMessageCharacters - countCharacters(text.value.trim());
  const canSend = text.value.trim() !== "" && left >= 0;

  useLayoutEffect(() => {
    // On a phone this would open the keyboard over the messages.
    if (!isTouch.value) inputRef.current?.focus();
    return () => conversation.stoppedTyping();
  }, [conversation]);

  useLayoutEffect(() => {
    const input = inputRef.current;
    if (input === null) return;
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight}px`;
  }, [text.value]);

  const change = (value: string): void => {
    text.value = value;
    chat.keepDraft(room.slug, value);
    if (value.trim() === "") conversation.stoppedTyping();
    else conversation.typed();
  };

  const send = (): void => {
    if (!canSend) return;
    chat.send(conversation, text.value.trim());
    text.value = "";
    chat.keepDraft(room.slug, "");
    inputRef.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="composer-box">
        <label class="visually-hidden" for="composer-input">
          Message to {room.name}
        </label>
        <textarea
          ref={inputRef}
          id="composer-input"
          rows={1}
          placeholder={`Message ${room.name}`}
          value={text.value}
          enterkeyhint="send"
          autocomplete="off"
          aria-describedby="composer-hint"
          aria-invalid={left < 0 ? true : undefined}
          data-testid="composer-input"
          onInput={(event) => change(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
            event.preventDefault();
            send();
          }}
        />
        <button
          type="submit"
          class="composer-send"
          aria-label="Send"
          title="Send"
          aria-disabled={!canSend}
          data-testid="composer-send"
          // Keeps the focus, and with it a phone's keyboard, where it is.
          onPointerDown={(event) => event.preventDefault()}
        >
          <SendIcon />
        </button>
      </div>
      <p id="composer-hint" class="composer-hint">
        <span class={left < 0 ? "composer-count composer-count-over" : "composer-count"} role="status">
          {left < 0
            ? `${-left} characters too many`
            : left <= showCountWithin
              ? `${left} characters left`
              : ""}
        </span>
        <span class="composer-keys">
          <kbd>Enter</kbd> sends, <kbd>Shift</kbd>+<kbd>Enter</kbd> begins a new line
        </span>
      </p>
    </form>
  );
}

/** While a word is being composed (Japanese, Chinese, …), Enter only accepts it. */
function isComposing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- Safari tells of the last key of a composition only so.
  return event.isComposing || event.keyCode === 229;
}
