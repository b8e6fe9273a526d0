// The route: which room the address names. It lives in the hash, so Django serves one page at "/".

import { type ReadonlySignal, computed, signal } from "@preact/signals";

export interface Route {
  /** Null for the list of rooms. */
  readonly slug: string | null;
}

const roomHash = /^#\/rooms\/([^/]+)\/?$/u;

export function parseRoute(hash: string): Route {
  const encoded = roomHash.exec(hash)?.[1];
  if (encoded === undefined) return { slug: null };
  try {
    return { slug: decodeURIComponent(encoded) };
  } catch {
    return { slug: encoded }; // "%" that encodes nothing: no such room, which the page then says.
  }
}

export function roomHref(slug: string): string {
  return `#/rooms/${encodeURIComponent(slug)}`;
}

export const homeHref = "#/";

const current = signal<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => {
  current.value = parseRoute(location.hash);
});

export const route: ReadonlySignal<Route> = current;

export const routeSlug: ReadonlySignal<string | null> = computed(() => current.value.slug);

export function navigate(href: string): void {
  location.hash = href;
}

/** Without a new entry in the browser's history: Back does not return to where this led away from. */
export function replaceRoute(href: string): void {
  history.replaceState(history.state, "", href);
  current.value = parseRoute(location.hash);
}
