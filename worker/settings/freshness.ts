/**
 * For how long the store has not been read. Counted on a monotonic clock: a wall clock that jumps must make
 * settings neither look fresh nor look stale.
 */
export interface Freshness {
  /** The held snapshot is what the store has. */
  confirmed(): void;
  /** The store was not read, or what it said could not be put in force. */
  failed(): void;
  /** What is held was the store's so many milliseconds ago, and the store cannot be read. */
  heldSince(ageMs: number): void;
  /**
   * Milliseconds since the last confirmation; 0 while all is well. Before the first one it counts from the
   * start.
   */
  staleForMs(): number;
}

export interface FreshnessOptions {
  /** Milliseconds that never go back: `performance.now()`. */
  readonly monotonicNow: () => number;
  /** Without a confirmation for this long the settings are stale although nothing failed: the store hangs. */
  readonly silenceMs: number;
}

export function createFreshness({ monotonicNow, silenceMs }: FreshnessOptions): Freshness {
  let confirmedAt = monotonicNow();
  let failing = true;
  return {
    confirmed() {
      confirmedAt = monotonicNow();
      failing = false;
    },
    failed() {
      failing = true;
    },
    heldSince(ageMs) {
      confirmedAt = monotonicNow() - ageMs;
      failing = true;
    },
    staleForMs() {
      const ageMs = Math.max(0, monotonicNow() - confirmedAt);
      return failing || ageMs > silenceMs ? ageMs : 0;
    },
  };
}
