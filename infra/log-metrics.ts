import type { LogEvent } from "../worker/log.ts";

/** A metric made from lines of a log: for each event, the value that a line of it counts as. */
export interface LogMetric<Event extends string> {
  readonly name: string;
  readonly values: Readonly<Partial<Record<Event, `$.${string}` | number>>>;
}

/** What edges log that an alarm watches. Names of events are worker/log.ts's. */
export const EDGE_LOG_METRICS = {
  /**
   * For how long an edge has not read the store. It is logged ever more rarely while that lasts, so the alarm keeps its
   * state until an edge reads the store again.
   */
  settingsStale: {
    name: "SettingsStaleSeconds",
    values: { "settings-stale": "$.staleSeconds", "settings-fresh": 0, "settings-loaded": 0 },
  },
  internalErrors: { name: "InternalErrors", values: { "internal-error": 1 } },
} as const satisfies Readonly<Record<string, LogMetric<LogEvent>>>;

/** What the schedule logs (functions/schedule/sweeps.ts). */
export const SCHEDULE_LOG_METRICS = {
  /** Days until the first certificate in use expires; none in use logs no `soonestDays`, and counts as nothing. */
  expiry: { name: "CertificateDaysLeft", values: { "expiry-swept": "$.soonestDays" } },
} as const satisfies Readonly<Record<string, LogMetric<string>>>;

/** CloudWatch's pattern for JSON lines of one event. */
export const patternOf = (event: string): string => `{ $.event = "${event}" }`;
