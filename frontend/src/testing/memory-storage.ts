// A storage that lives as long as the test.

import type { JsonStorage } from "../client/storage";

export class MemoryStorage implements JsonStorage {
  readonly #texts = new Map<string, string>();

  read(key: string): unknown {
    const text = this.#texts.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  }

  write(key: string, value: unknown): void {
    this.#texts.set(key, JSON.stringify(value));
  }

  remove(key: string): void {
    this.#texts.delete(key);
  }
}
