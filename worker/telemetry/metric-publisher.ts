export interface MetricPublisherOptions {
  readonly intervalMs: number;
  /** Lines for this moment, in epoch milliseconds. */
  readonly lines: (nowMs: number) => readonly string[];
  /** Takes one line with its newline. */
  readonly write: (line: string) => void;
  readonly now: () => number;
  readonly monotonicNow: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** CloudWatch's alarms look at minutes, and each must have a value. */
export const METRICS_INTERVAL_MS = 60_000;

/**
 * Writes metrics at a fixed rate until `signal` aborts, and once more then, for what was counted since. The
 * rate does not drift: an interval that grew by what a turn takes would leave a minute without a value now
 * and then.
 */
export async function publishMetrics(options: MetricPublisherOptions, signal: AbortSignal): Promise<void> {
  const { intervalMs, lines, write, now, monotonicNow, sleep } = options;
  const publish = (): void => {
    for (const line of lines(now())) write(`${line}\n`);
  };
  let dueAt = monotonicNow() + intervalMs;
  while (!signal.aborted) {
    await sleep(Math.max(0, dueAt - monotonicNow()), signal).catch(() => undefined);
    publish();
    // After a pause of the whole machine, what was missed is not made up for.
    dueAt = Math.max(dueAt + intervalMs, monotonicNow());
  }
}
