// Browser storage as JSON under the page's own prefix. It may be forbidden or full: then nothing is
// kept, and the page works on.

export interface JsonStorage {
  /** Undefined when nothing (readable) is stored. */
  read(key: string): unknown;
  write(key: string, value: unknown): void;
  remove(key: string): void;
}

const prefix = "switchboard.";

/** `open` is a function since merely naming window.localStorage can throw. */
export function createStorage(open: () => Storage): JsonStorage {
  return {
    read(key) {
      try {
        const text = open().getItem(prefix + key);
        return text === null ? undefined : (JSON.parse(text) as unknown);
      } catch {
        return undefined;
      }
    },
    write(key, value) {
      try {
        open().setItem(prefix + key, JSON.stringify(value));
      } catch {
        // Forbidden or full: not worth telling about, since all that is kept here is convenience.
      }
    },
    remove(key) {
      try {
        open().removeItem(prefix + key);
      } catch {
        // As above.
      }
    },
  };
}
