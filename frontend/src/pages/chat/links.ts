// Links in the text of a message: the text cut into plain pieces and http(s) addresses. Pieces are
// rendered as text nodes, never as HTML.

export type TextPiece =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "link"; readonly text: string; readonly href: string };

const candidate = /\bhttps?:\/\/[^\s<>"'`{}|\\^]+/giu;
const trailingPunctuation = ".,;:!?…*_~";

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
  const unopened = new Map([
    [")", count(address, ")") - count(address, "(")],
    ["]", count(address, "]") - count(address, "[")],
  ]);
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address.charAt(end - 1);
    const surplus = unopened.get(last) ?? 0;
    if (surplus > 0) unopened.set(last, surplus - 1);
    else if (!trailingPunctuation.includes(last)) break;
  }
  return address.slice(0, end);
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
