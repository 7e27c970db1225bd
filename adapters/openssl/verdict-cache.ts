import type { ChainVerdict } from "../../core/policy/chain-verifier.ts";

interface Entry {
  readonly verdict: ChainVerdict;
  readonly from: number;
  readonly until: number;
}

/** Verdicts by chain and trust, each for a bounded time, the longest unused dropped first. */
export class VerdictCache {
  readonly #entries = new Map<string, Entry>();
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get(key: string, nowMs: number): ChainVerdict | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    this.#entries.delete(key);
    // A clock that was set back must not stretch a verdict, so the time before it counts as out of date too.
    if (nowMs < entry.from || nowMs >= entry.until) return null;
    this.#entries.set(key, entry);
    return entry.verdict;
  }

  set(key: string, verdict: ChainVerdict, time: { readonly from: number; readonly until: number }): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#size) this.#entries.delete(this.#entries.keys().next().value ?? "");
    this.#entries.set(key, { verdict, ...time });
  }
}
