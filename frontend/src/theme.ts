// The theme: light or dark, as the system says until the user chooses. The colours are in
// styles/theme.css.

import { type ReadonlySignal, computed, effect, signal } from "@preact/signals";

import { createStorage } from "./client/storage";
import { prefersDark } from "./environment";

export type Theme = "light" | "dark";

const storage = createStorage(() => window.localStorage);
const storageKey = "theme";

const chosen = signal<Theme | null>(parseTheme(storage.read(storageKey)));

export const theme: ReadonlySignal<Theme> = computed(
  () => chosen.value ?? (prefersDark.value ? "dark" : "light"),
);

export function toggleTheme(): void {
  const next: Theme = theme.value === "dark" ? "light" : "dark";
  const isSystems = next === (prefersDark.value ? "dark" : "light");
  // Back at what the system says: follow the system again, also when it changes at dusk.
  chosen.value = isSystems ? null : next;
  if (isSystems) storage.remove(storageKey);
  else storage.write(storageKey, next);
}

export function applyTheme(): void {
  effect(() => {
    const { documentElement } = document;
    if (chosen.value === null) delete documentElement.dataset["theme"];
    else documentElement.dataset["theme"] = chosen.value;
    // The colour of the browser's own bars on phones.
    const colour = theme.value === "dark" ? "#15181a" : "#f5f4ef";
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) meta.setAttribute("content", colour);
  });
}

function parseTheme(value: unknown): Theme | null {
  return value === "light" || value === "dark" ? value : null;
}
