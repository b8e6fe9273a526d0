// A job that never runs twice at once. A request made while it runs causes one more run after it,
// so that whoever asks gets a run that began after they asked.

export class SingleFlight {
  readonly #job: () => Promise<void>;
  #running: Promise<void> | null = null;
  #isRequested = false;

  /** The job must handle its own errors: a rejection reaches every caller of `request`. */
  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  /** Another run follows the one in progress. */
  get isRequested(): boolean {
    return this.#isRequested;
  }

  request(): Promise<void> {
    this.#isRequested = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isRequested) {
        this.#isRequested = false;
        await this.#job();
      }
    } finally {
      this.#running = null;
    }
  }
}
