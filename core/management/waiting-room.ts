/** Requests that wait for something to happen. */

import { OPERATOR_ACCOUNT } from "../actor.ts";
import { TooManyWaiting } from "../errors.ts";
import { CAPS } from "../limits.ts";

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

/** Who waits. */
export interface Waiter {
  /** Account of the credentials, in whatever account their request acts. */
  readonly account: string;
  /** The credentials; those of one account are different. */
  readonly caller: string;
  /** Judges the caller as it is now. @throws what rejects the request: nothing is delivered. */
  readonly judge: () => Promise<void>;
  /** Aborted = the client has closed its side of the connection. */
  readonly signal?: AbortSignal | undefined;
}

export interface Wait extends Waiter {
  readonly timeoutMs: number;
  /** Between two looks. */
  readonly everyMs: number;
}

/** Between two judgements of a waiting caller. A revocation is in force everywhere within 10 s. */
export const JUDGE_EVERY_MS = 5_000;

/** A set of waiting requests, and how many it may have. */
interface Share {
  readonly key: string;
  readonly most: number;
  /** Completes "… requests" in the error. */
  readonly of: string;
}

/**
 * Each share leaves as many as a caller may have to those outside it: one caller cannot take all of its
 * account's, one account not all of the accounts', and these together not the operator's.
 */
function sharesOf({ account, caller }: Pick<Waiter, "account" | "caller">): readonly Share[] {
  const shares = [
    { key: `caller ${account} ${caller}`, most: CAPS.waitsOfCaller, of: "of this caller" },
    { key: `account ${account}`, most: CAPS.waitsOfAccount, of: "of this account" },
    { key: "all", most: CAPS.waits, of: "of this process" },
  ];
  if (account === OPERATOR_ACCOUNT) return shares;
  return [...shares, { key: "tenants", most: CAPS.waitsOfTenants, of: "of this process" }];
}

export class WaitingRoom {
  readonly #effects: WaitEffects;
  readonly #ending: AbortSignal;
  readonly #waiting = new Map<string, number>();

  /** @param ending aborted = the process ends: no request waits any longer. */
  constructor(effects: WaitEffects, ending: AbortSignal) {
    this.#effects = effects;
    this.#ending = ending;
  }

  /**
   * Looks until it is over, the time is up, the client has closed or the process ends. The caller is judged
   * again while it waits, and after the last look.
   * @returns the value of the last look. @throws TooManyWaiting; as `look`; as `judge`
   */
  async until<T>(look: () => Promise<Look<T>>, wait: Wait): Promise<T> {
    const first = await look();
    if (first.isOver || wait.timeoutMs === 0) return first.value;
    const leave = this.#enter(wait);
    try {
      const value = await this.#looked(look, wait, first.value);
      await wait.judge();
      return value;
    } finally {
      leave();
    }
  }

  async #looked<T>(look: () => Promise<Look<T>>, wait: Wait, first: T): Promise<T> {
    const { now, sleep } = this.#effects;
    const { timeoutMs, everyMs, judge, signal } = wait;
    const deadline = now() + timeoutMs;
    const ended = AbortSignal.any([this.#ending, ...(signal === undefined ? [] : [signal])]);
    let judgedAt = now();
    let found: Look<T> = { isOver: false, value: first };
    while (!found.isOver && !ended.aborted && now() < deadline) {
      await sleep(Math.min(everyMs, deadline - now()), ended);
      if (ended.aborted) break;
      if (now() - judgedAt >= JUDGE_EVERY_MS) {
        await judge();
        judgedAt = now();
      }
      found = await look();
    }
    return found.value;
  }

  /** @returns what gives the place back. @throws TooManyWaiting */
  #enter(waiter: Waiter): () => void {
    const shares = sharesOf(waiter);
    const full = shares.find(({ key, most }) => this.#count(key) >= most);
    if (full !== undefined)
      throw new TooManyWaiting(`${full.most} requests ${full.of} wait already; try again, or without a wait`);
    for (const { key } of shares) this.#waiting.set(key, this.#count(key) + 1);
    return () => {
      for (const { key } of shares) {
        const left = this.#count(key) - 1;
        if (left === 0) this.#waiting.delete(key);
        else this.#waiting.set(key, left);
      }
    };
  }

  #count(key: string): number {
    return this.#waiting.get(key) ?? 0;
  }
}
