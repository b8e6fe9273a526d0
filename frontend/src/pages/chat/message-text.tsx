// The text of a message: plain text with its links made clickable.

import { useMemo } from "preact/hooks";

import { splitLinks } from "./links";

export function MessageText({ text }: { text: string }) {
  const pieces = useMemo(() => splitLinks(text), [text]);
  return (
    <p class="message-text" data-testid="message-text">
      {pieces.map((piece) =>
        piece.type === "text" ? (
          piece.text
        ) : (
          <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ),
      )}
    </p>
  );
}
