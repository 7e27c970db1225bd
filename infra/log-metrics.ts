import type { LogEvent } from "../core/log-event.ts";

/** A metric made from the lines of one event in a log. */
export interface LogMetric {
  readonly name: string;
  readonly event: LogEvent;
  /** Field of the line, or the number that each line counts as. */
  readonly value: `$.${string}` | number;
}

/**
 * Metrics from the log of the schedule (functions/schedule/sweeps.ts). The edges write metrics of their own
 * (worker/telemetry/metric-table.ts).
 */
export const SCHEDULE_LOG_METRICS = {
  /**
   * Days until the first certificate in use expires; without one, `soonestDays` is not logged and the metric
   * has no value.
   */
  daysLeft: { name: "CertificateDaysLeft", event: "expiry-swept", value: "$.soonestDays" },
  /** Certificates in use that reached 30, 14, 7, 1 or 0 days since the previous sweep. */
  reached: { name: "CertificatesReachedWarning", event: "expiry-swept", value: "$.reached" },
  expired: { name: "CertificatesExpired", event: "expiry-swept", value: "$.expiredInUse" },
  cleanUpHeldUp: { name: "CleanUpsHeldUp", event: "clean-up-skipped", value: 1 },
  memory: { name: "ScheduleMemoryMegabytes", event: "memory-measured", value: "$.peakMemoryMegabytes" },
} as const satisfies Readonly<Record<string, LogMetric>>;

/** CloudWatch's pattern for JSON lines of one event. */
export const patternOf = (event: LogEvent): string => `{ $.event = "${event}" }`;
