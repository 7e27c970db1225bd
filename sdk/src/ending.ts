/** Runs `work` with a signal that is aborted when one of `signals` is, or by `end`. */
export async function withEnd<T>(
  signals: readonly AbortSignal[],
  work: (signal: AbortSignal, end: (reason: unknown) => void) => Promise<T>,
): Promise<T> {
  // AbortSignal.any is younger than Node 20.0 and browsers of 2023.
  const controller = new AbortController();
  const ended = new AbortController();
  const end = (reason: unknown): void => controller.abort(reason);
  for (const signal of signals) {
    if (signal.aborted) end(signal.reason);
    signal.addEventListener("abort", () => end(signal.reason), { signal: ended.signal });
  }
  try {
    return await work(controller.signal, end);
  } finally {
    ended.abort();
  }
}
