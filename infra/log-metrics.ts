/** A metric made from lines of a log: for each event, the value that a line of it counts as. */
export interface LogMetric {
  readonly name: string;
  readonly values: Readonly<Record<string, `$.${string}` | number>>;
}

/** What the schedule logs (functions/schedule/sweeps.ts). The edges write metrics of their own (worker/telemetry/metric-table.ts). */
export const SCHEDULE_LOG_METRICS = {
  /** Days until the first certificate in use expires; none in use logs no `soonestDays`, and counts as nothing. */
  daysLeft: { name: "CertificateDaysLeft", values: { "expiry-swept": "$.soonestDays" } },
  /** Certificates in use that came to 14, 7, 3, 1 or 0 days since the sweep before. */
  reached: { name: "CertificatesReachedWarning", values: { "expiry-swept": "$.reached" } },
  expired: { name: "CertificatesExpired", values: { "expiry-swept": "$.expiredInUse" } },
  cleanUpHeldUp: { name: "CleanUpsHeldUp", values: { "clean-up-held-up": 1 } },
  memory: { name: "ScheduleMemoryMegabytes", values: { "memory-measured": "$.peakMemoryMegabytes" } },
} as const satisfies Readonly<Record<string, LogMetric>>;

/** CloudWatch's pattern for JSON lines of one event. */
export const patternOf = (event: string): string => `{ $.event = "${event}" }`;
