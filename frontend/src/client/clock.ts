// The clock: the time now and timers, as an argument, so that tests can turn it by hand.

export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Run once after a delay; the returned function cancels it. */
  after(delayMs: number, run: () => void): CancelTimer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
