/** Lets a few in at a time; the others wait in order, not too many and not too long. */
export class Gate {
  readonly #places: number;
  readonly #queueLength: number;
  readonly #waitMs: number;
  #taken = 0;
  readonly #waiting: ((entered: boolean) => void)[] = [];

  constructor(options: { readonly places: number; readonly queueLength: number; readonly waitMs: number }) {
    this.#places = options.places;
    this.#queueLength = options.queueLength;
    this.#waitMs = options.waitMs;
  }

  /**
   * Runs `work` when there is a place. @returns null when the queue is full or the wait is over: it did not
   * run.
   */
  async enter<T>(work: () => Promise<T>): Promise<T | null> {
    if (!(await this.#place())) return null;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed over, so no other caller can take it in between.
      if (next === undefined) this.#taken -= 1;
      else next(true);
    }
  }

  #place(): Promise<boolean> {
    if (this.#taken < this.#places) {
      this.#taken += 1;
      return Promise.resolve(true);
    }
    if (this.#waiting.length >= this.#queueLength) return Promise.resolve(false);
    return new Promise((resolve) => {
      const enter = (entered: boolean): void => {
        clearTimeout(timer);
        resolve(entered);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        enter(false);
      }, this.#waitMs);
      this.#waiting.push(enter);
    });
  }
}
