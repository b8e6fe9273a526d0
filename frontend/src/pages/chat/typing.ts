// Typing: when to tell the room that this user types, and who else does.
// It is best effort: a lost publication is made good by the next one, or by the time limit.

import type { CancelTimer, Clock } from "../../client/clock";

/** While someone types, they say so this often… */
export const typingRepeatMs = 2500;
/** …are taken to have stopped after this long without a key… */
export const typingIdleMs = 4000;
/** …and others stop showing them after this long without a word: two repeats, so one may be lost. */
export const typingExpiryMs = 5000;

export class TypingSender {
  readonly #publish: (typing: boolean) => void;
  readonly #clock: Clock;
  #saidAt: number | null = null;
  #cancelIdle: CancelTimer = () => undefined;

  constructor(publish: (typing: boolean) => void, clock: Clock) {
    this.#publish = publish;
    this.#clock = clock;
  }

  /** A key was pressed. */
  typed(): void {
    const now = this.#clock.now();
    if (this.#saidAt === null || now - this.#saidAt >= typingRepeatMs) {
      this.#saidAt = now;
      this.#publish(true);
    }
    this.#cancelIdle();
    this.#cancelIdle = this.#clock.after(typingIdleMs, () => this.stopped());
  }

  /** The message was sent or cleared, or the room left. */
  stopped(): void {
    this.#cancelIdle();
    if (this.#saidAt === null) return;
    this.#saidAt = null;
    this.#publish(false);
  }
}

export interface Typist {
  readonly user: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

export type Typists = readonly Typist[];

/** In the order in which they began. */
export function addTypist(typists: Typists, typist: Typist): Typists {
  return typists.some(({ user }) => user === typist.user)
    ? typists.map((known) => (known.user === typist.user ? typist : known))
    : [...typists, typist];
}

export function removeTypist(typists: Typists, user: string): Typists {
  return typists.some((typist) => typist.user === user)
    ? typists.filter((typist) => typist.user !== user)
    : typists;
}

export function dropExpired(typists: Typists, now: number): Typists {
  return typists.some(({ until }) => until <= now) ? typists.filter(({ until }) => until > now) : typists;
}

export function describeTypists(typists: Typists): string {
  const [first, second, ...others] = typists.map(({ name }) => name);
  if (first === undefined) return "";
  if (second === undefined) return `${first} is typing…`;
  if (others.length === 0) return `${first} and ${second} are typing…`;
  return `${first}, ${second} and ${others.length} more are typing…`;
}
