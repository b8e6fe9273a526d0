// The page's surroundings as signals: is it seen, is the browser online, how wide is it.

import { type ReadonlySignal, computed, signal } from "@preact/signals";

export type Width =
  /** One thing at a time: the rooms, or one of them. */
  | "narrow"
  /** Rooms and messages; the members on request. */
  | "medium"
  /** Rooms, messages and members. */
  | "wide";

/** The same widths as in styles/layout.css. */
const isMedium = matches("(min-width: 720px)");
const isWide = matches("(min-width: 1080px)");

export const width: ReadonlySignal<Width> = computed(() =>
  isWide.value ? "wide" : isMedium.value ? "medium" : "narrow",
);

export const prefersDark = matches("(prefers-color-scheme: dark)");

/** A finger is the main pointer: focusing a text field opens a keyboard over the page. */
export const isTouch = matches("(pointer: coarse)");

export const isVisible = follow(() => document.visibilityState === "visible", document, ["visibilitychange"]);

export const isOnline = follow(() => navigator.onLine, window, ["online", "offline"]);

/**
 * Keeps the page as high as what is seen of it. Safari on iPhones lays its keyboard over the page
 * and leaves every CSS unit as it was, the dynamic ones too: only the visual viewport knows.
 */
export function followKeyboard(): void {
  const viewport = window.visualViewport;
  if (viewport === null) return;
  const apply = (): void => {
    const isCovered = window.innerHeight - viewport.height > 1 && viewport.scale === 1;
    if (isCovered) document.documentElement.style.setProperty("--page-height", `${viewport.height}px`);
    else document.documentElement.style.removeProperty("--page-height");
    if (isCovered) window.scrollTo(0, 0);
  };
  viewport.addEventListener("resize", apply);
}

function matches(query: string): ReadonlySignal<boolean> {
  const list = matchMedia(query);
  return follow(() => list.matches, list, ["change"]);
}

function follow(read: () => boolean, target: EventTarget, events: string[]): ReadonlySignal<boolean> {
  const value = signal(read());
  for (const event of events) {
    target.addEventListener(event, () => {
      value.value = read();
    });
  }
  return value;
}
