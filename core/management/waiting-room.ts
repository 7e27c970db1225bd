/** Requests that wait for something to happen. */

import { TooManyWaiting } from "../errors.ts";

export interface WaitEffects {
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What one look finds. */
export interface Look<T> {
  /** Whether what is waited for has happened. */
  readonly isOver: boolean;
  readonly value: T;
}

export interface Wait {
  readonly timeoutMs: number;
  /** Between two looks. */
  readonly everyMs: number;
  /** Aborted = the client has closed its side of the connection. */
  readonly signal?: AbortSignal | undefined;
}

/** Requests of one process that wait at a time. Each holds a connection; the local server has 256. */
export const MOST_WAITING = 64;

export class WaitingRoom {
  readonly #effects: WaitEffects;
  readonly #ending: AbortSignal;
  #waiting = 0;

  /** @param ending aborted = the process ends: no request waits any longer. */
  constructor(effects: WaitEffects, ending: AbortSignal) {
    this.#effects = effects;
    this.#ending = ending;
  }

  /**
   * Looks until it is over, the time is up, the client has closed or the process ends.
   * @returns the value of the last look. @throws TooManyWaiting; as `look`
   */
  async until<T>(look: () => Promise<Look<T>>, { timeoutMs, everyMs, signal }: Wait): Promise<T> {
    const { now, sleep } = this.#effects;
    const deadline = now() + timeoutMs;
    let { isOver, value } = await look();
    if (isOver || timeoutMs === 0) return value;
    if (this.#waiting >= MOST_WAITING)
      throw new TooManyWaiting(`${MOST_WAITING} requests wait here already; try again, or without a wait`);
    this.#waiting += 1;
    try {
      const ended = AbortSignal.any([this.#ending, ...(signal === undefined ? [] : [signal])]);
      while (!isOver && !ended.aborted && now() < deadline) {
        await sleep(Math.min(everyMs, deadline - now()), ended);
        if (!ended.aborted) ({ isOver, value } = await look());
      }
      return value;
    } finally {
      this.#waiting -= 1;
    }
  }
}
