// The line that says who is typing. It keeps its height, so that nothing moves when someone begins.

import type { Conversation } from "./conversation";
import { describeTypists } from "./typing";

export function TypingLine({ conversation }: { conversation: Conversation }) {
  const text = describeTypists(conversation.typists.value);
  // Not a live region: read aloud every few seconds, it would drown the messages.
  return (
    <p class="typing" data-testid="typing">
      {text !== "" && (
        <>
          <span class="typing-dots" aria-hidden="true">
            <span />
            <span />
            <span />
          </span>
          {text}
        </>
      )}
    </p>
  );
}
