/**
 * Retries: the exponential backoff of every loop that tries again, and the loop of those that have a
 * deadline.
 */

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Doublings after which any backoff here is at its maximum. */
const MAX_DOUBLINGS = 30;

/** Backoff before jitter: `firstMs`, doubled for each attempt that failed before, up to `maxMs`. */
export const backoffMs = ({ firstMs, maxMs }: Backoff, attempt: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(attempt, MAX_DOUBLINGS));

export interface RetryEffects {
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

export type Attempt<T> = { readonly value: T } | { readonly failure: unknown };

export interface Retry<T> extends Backoff {
  readonly effects: RetryEffects;
  /** By `effects.now`. */
  readonly deadline: number;
  /** A failure is tried again; an error that is thrown is final. */
  readonly attempt: () => Promise<Attempt<T>>;
  /** Error to throw when the next attempt would begin after the deadline. */
  readonly tooLate: (failure: unknown) => unknown;
}

/**
 * Makes attempts, with pauses of full jitter between them, until one has a value or the deadline is reached.
 */
export async function retryWithBackoff<T>({
  effects,
  deadline,
  attempt,
  tooLate,
  ...backoff
}: Retry<T>): Promise<T> {
  for (let failed = 0; ; failed += 1) {
    const tried = await attempt();
    if ("value" in tried) return tried.value;
    const pauseMs = effects.random() * backoffMs(backoff, failed);
    if (effects.now() + pauseMs >= deadline) throw tooLate(tried.failure);
    await effects.sleep(pauseMs);
  }
}
