/**
 * Names and levels of the events that programs log. docs/logs-and-metrics.md has a row for each; alarms name
 * them by type.
 */

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The one table of event names. */
export const LOG_EVENTS = {
  starting: "info",
  started: "info",
  "start-failed": "fatal",
  "default-certificate-made": "info",
  "default-certificate-problem": "error",
  "chain-verifier-missing": "warn",
  "settings-loaded": "info",
  "settings-applied": "info",
  "settings-unchanged": "trace",
  "settings-gap": "warn",
  "settings-refused": "error",
  "settings-unreadable": "warn",
  "settings-stale": "warn",
  "settings-from-backup": "warn",
  "settings-recovered": "info",
  "trust-content-unreadable": "warn",
  "trust-contents-loaded": "info",
  "change-log-prune-failed": "warn",
  "certificate-expiring": "warn",
  "backup-swept": "info",
  "expiry-swept": "info",
  "renewals-swept": "info",
  "clean-up-swept": "info",
  "clean-up-skipped": "error",
  "sweep-failed": "error",
  "issuance-swept": "info",
  "ownership-swept": "info",
  "ownership-check-failed": "warn",
  "names-verified": "info",
  "certificate-issued": "info",
  "certificate-issuance-failed": "error",
  "certificate-exported": "info",
  "certificate-update-failed": "error",
  "region-taken-over": "info",
  "memory-measured": "info",
  "edge-report-failed": "warn",
  "edge-report-recovered": "info",
  session: "info",
  // Any client can cause these: at info a flood would fill the disk. All are counted in the metrics.
  "connection-refused": "debug",
  "limit-hit": "debug",
  "health-connection-refused": "debug",
  "handshake-failed": "info",
  "delivery-failed": "warn",
  "message-aborted": "info",
  "certificate-problem": "error",
  "certificate-recovered": "info",
  "api-request": "info",
  "access-changed": "info",
  "token-use-failed": "warn",
  "answer-keep-failed": "warn",
  "api-error": "error",
  "internal-error": "error",
  "process-warning": "warn",
  stopping: "info",
  "shutdown-step-failed": "error",
  "shutdown-timed-out": "error",
  stopped: "info",
} as const satisfies Readonly<Record<string, Exclude<LogLevel, "silent">>>;

export type LogEvent = keyof typeof LOG_EVENTS;

/** Writes one JSON object a line, with the level of the event's row. */
export type Log = (event: LogEvent, fields?: Readonly<Record<string, unknown>>) => void;
