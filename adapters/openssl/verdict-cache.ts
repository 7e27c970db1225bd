import { BoundedMap } from "../../core/bounded-map.ts";
import type { ChainVerdict } from "../../core/policy/chain-verifier.ts";

interface Entry {
  readonly verdict: ChainVerdict;
  readonly from: number;
  readonly until: number;
}

/** Verdicts by chain and trust, each for a bounded time, the least recently used evicted first. */
export class VerdictCache {
  readonly #entries: BoundedMap<string, Entry>;

  constructor(size: number) {
    this.#entries = new BoundedMap(size);
  }

  get(key: string, nowMs: number): ChainVerdict | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    // A clock that was set back must not stretch a verdict, so the time before it counts as out of date too.
    if (entry.from <= nowMs && nowMs < entry.until) return entry.verdict;
    this.#entries.delete(key);
    return null;
  }

  set(key: string, verdict: ChainVerdict, time: { readonly from: number; readonly until: number }): void {
    this.#entries.set(key, { verdict, ...time });
  }
}
