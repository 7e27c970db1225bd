/** Clock, randomness and timers of the client. Tests hand in others. */
export interface Effects {
  /** Milliseconds since 1970, for a Retry-After that is a date. */
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export const REAL_EFFECTS: Effects = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void) => (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const onAbort = end(() => reject(signal.reason as Error));
      const timer = setTimeout(
        end(() => resolve()),
        ms,
      );
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
    }),
};
