// Links in the text of a message: the text cut into plain pieces and http(s) addresses. Pieces are
// rendered as text nodes, never as HTML.

export type TextPiece =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "link"; readonly text: string; readonly href: string };

const candidate = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/giu;
const trailingPunctuation = /[.,;:!?…*_~]+$/u;
const bracketPairs = [
  ["(", ")"],
  ["[", "]"],
] as const;

/** The pieces joined are the text itself. */
export function splitLinks(text: string): TextPiece[] {
  const pieces: TextPiece[] = [];
  let end = 0;
  for (const match of text.matchAll(candidate)) {
    const address = trimEnd(match[0]);
    const href = parseHref(address);
    if (href === null) continue;
    if (match.index > end) pieces.push({ type: "text", text: text.slice(end, match.index) });
    pieces.push({ type: "link", text: address, href });
    end = match.index + address.length;
  }
  if (end < text.length) pieces.push({ type: "text", text: text.slice(end) });
  return pieces;
}

/** Without the full stop after it, or the bracket around it, that belongs to the sentence. */
function trimEnd(address: string): string {
  let trimmed = address;
  for (;;) {
    let next = trimmed.replace(trailingPunctuation, "");
    for (const [open, close] of bracketPairs) {
      if (next.endsWith(close) && count(next, close) > count(next, open)) next = next.slice(0, -1);
    }
    if (next === trimmed) return trimmed;
    trimmed = next;
  }
}

function parseHref(address: string): string | null {
  // A user name before the host ("https://bank.example@evil.example") dresses up where a link leads.
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  if (url.username !== "" || url.password !== "") return null;
  return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
