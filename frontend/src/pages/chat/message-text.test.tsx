// Tests of the text of a message as it is drawn: text stays text.

import { render } from "preact";
import { expect, test } from "vitest";

import { MessageText } from "./message-text";

function draw(text: string): HTMLElement {
  const root = document.createElement("div");
  render(<MessageText text={text} />, root);
  return root;
}

test("markup in a message is shown as it was written", () => {
  const text = '<img src=x onerror="alert(1)"> & <b>bold</b>';
  const root = draw(text);
  expect(root.textContent).toBe(text);
  expect(root.querySelector("img, b")).toBeNull();
});

test("a link opens elsewhere and tells the other side nothing", () => {
  const link = draw("see https://example.org/a.").querySelector("a");
  expect(link?.getAttribute("href")).toBe("https://example.org/a");
  expect(link?.target).toBe("_blank");
  expect(link?.rel).toBe("noopener noreferrer nofollow");
  expect(link?.textContent).toBe("https://example.org/a");
});

test("an address with another scheme is no link", () => {
  expect(draw("javascript:alert(1)").querySelector("a")).toBeNull();
});
