// Tests of links in messages.

import { expect, test } from "vitest";

import { splitLinks } from "./links";

const linksOf = (text: string): string[] =>
  splitLinks(text).flatMap((piece) => (piece.type === "link" ? [piece.text] : []));

test.each([
  ["see https://example.org/a.", ["https://example.org/a"]],
  ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
  ["[http://example.org]!", ["http://example.org"]],
  ["https://example.org/?q=1&r=2#top, and", ["https://example.org/?q=1&r=2#top"]],
  ["HTTPS://EXAMPLE.ORG/X", ["HTTPS://EXAMPLE.ORG/X"]],
  ["http://127.0.0.1:8000/ http://[::1]/", ["http://127.0.0.1:8000/", "http://[::1]/"]],
  ["https://пример.испытание/путь", ["https://пример.испытание/путь"]],
  ["<https://example.org/>", ["https://example.org/"]],
])("%j has the links %j", (text, links) => {
  expect(linksOf(text)).toEqual(links);
});

test.each([
  "javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "ftp://example.org/",
  "xhttps://example.org/",
  "https://",
  "http:// example.org",
  "https://bank.example@evil.example/",
  "https://user:secret@evil.example/",
  "https://[broken/",
  "just words",
])("%j has no link", (text) => {
  expect(linksOf(text)).toEqual([]);
});

test("every link leads to http or https", () => {
  for (const piece of splitLinks("http://a.example https://b.example/javascript:alert(1)")) {
    if (piece.type === "link") expect(piece.href).toMatch(/^https?:\/\//u);
  }
});

test("the pieces joined are the text itself", () => {
  const texts = [
    "",
    " a https://example.org/x, b\nhttp://example.com (https://example.net/(y)). ",
    "https://bank.example@evil.example/ https://ok.example...",
    "https://https://https://",
  ];
  for (const text of texts) {
    expect(
      splitLinks(text)
        .map((piece) => piece.text)
        .join(""),
    ).toBe(text);
  }
});

test("a run of closing brackets is no part of a link", () => {
  const text = "https://a.example/" + ")".repeat(4000);
  expect(linksOf(text)).toEqual(["https://a.example/"]);
});
