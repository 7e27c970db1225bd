import { setImmediate } from "node:timers/promises";

/**
 * A clock that moves by its sleepers alone: minutes of waiting take no time, and a seed gives the same run
 * everywhere.
 */
export class VirtualTime {
  #nowMs = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  readonly sleep = (ms: number): Promise<void> =>
    new Promise((wake) => {
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake });
    });

  /**
   * Moves the clock until `work` has ended. @throws Error when it waits for something else than this clock
   */
  async run<T>(work: Promise<T>): Promise<T> {
    const state = { ended: false };
    const end = (): void => {
      state.ended = true;
    };
    work.then(end, end);
    for (;;) {
      // Everything that can go on without time goes on first.
      await setImmediate();
      if (state.ended) return work;
      const next = this.#takeNext();
      if (next === undefined) throw new Error("nothing sleeps, and the work has not ended");
      this.#nowMs = next.atMs;
      next.wake();
    }
  }

  #takeNext() {
    let first = 0;
    for (const [index, { atMs }] of this.#sleepers.entries()) {
      if (atMs < (this.#sleepers[first]?.atMs ?? 0)) first = index;
    }
    return this.#sleepers.splice(first, 1)[0];
  }
}
