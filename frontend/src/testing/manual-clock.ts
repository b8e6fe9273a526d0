// A clock that tests turn by hand. Timers run in the order of their times.

import type { Clock } from "../client/clock";

interface Timer {
  at: number;
  run: () => void;
}

export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now: number;

  constructor(startMs = Date.UTC(2026, 0, 5, 12)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { at: this.#now + delayMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }
}
