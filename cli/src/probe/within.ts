import { withEnd } from "../../../sdk/src/ending.ts";
import type { Effects } from "../frame/effects.ts";

/** The time for one step is over. */
class TooLate extends Error {
  override readonly name = "TooLate";
}

export interface Deadline extends Pick<Effects, "clock" | "signal"> {
  readonly ms: number;
}

/** Runs `work` until it ends or the time is over, which aborts its signal. */
export async function within<T>(
  { clock, signal, ms }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return withEnd([signal], async (ending, end) => {
    const done = new AbortController();
    const late = (): void => end(new TooLate(`no answer within ${ms / 1_000} s`));
    void clock.sleep(ms, done.signal).then(late, () => undefined);
    try {
      return await work(ending);
    } finally {
      done.abort();
    }
  });
}

/** Rejects with the signal's reason as soon as it is aborted. @returns what stops listening */
export function onAbort(signal: AbortSignal, abort: (reason: Error) => void): () => void {
  const listener = (): void => abort(signal.reason as Error);
  signal.addEventListener("abort", listener);
  if (signal.aborted) listener();
  return () => signal.removeEventListener("abort", listener);
}
