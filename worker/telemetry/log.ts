import { pino } from "pino";
import { cutText } from "../../core/plain-text.ts";
import type { LogLevel } from "../config/config.ts";

/** Every event that is logged, with its level. The one table of their names. */
export const LOG_EVENTS = {
  starting: "info",
  started: "info",
  "start-failed": "fatal",
  "default-certificate-made": "info",
  /** It cannot be renewed or read again; the one before serves on. */
  "default-certificate-problem": "error",
  "chain-verifier-missing": "warn",
  "settings-loaded": "info",
  "settings-applied": "info",
  "settings-unchanged": "trace",
  "settings-gap": "warn",
  "settings-refused": "error",
  "settings-unreadable": "warn",
  /** The store cannot be read; what is held stays in force. */
  "settings-stale": "warn",
  /** The store could not be read at the start; settings of `ageSeconds` ago are in force. */
  "settings-from-backup": "warn",
  "settings-fresh": "info",
  "trust-content-unreadable": "warn",
  "trust-contents-loaded": "info",
  "change-log-not-tidied": "warn",
  "certificate-expiring": "warn",
  "expiry-swept": "info",
  "clean-up-swept": "info",
  /** Keys without a record are kept: stored items cannot be read, and may name them. */
  "clean-up-held-up": "error",
  "sweep-failed": "error",
  "edge-report-failed": "warn",
  "edge-report-recovered": "info",
  session: "info",
  // One each for whoever knocks: at info a flood would fill the disk. Both are counted in the metrics.
  "connection-refused": "debug",
  "limit-hit": "debug",
  "health-connection-refused": "debug",
  "handshake-failed": "info",
  "delivery-failed": "warn",
  "message-aborted": "info",
  "certificate-problem": "error",
  "certificate-recovered": "info",
  "api-request": "info",
  "api-error": "error",
  "internal-error": "error",
  "process-warning": "warn",
  stopping: "info",
  "stop-step-failed": "error",
  "stop-grace-over": "error",
  stopped: "info",
} as const satisfies Readonly<Record<string, Exclude<LogLevel, "silent">>>;

export type LogEvent = keyof typeof LOG_EVENTS;

/** Writes one JSON object a line. `error` in the fields is written as type, message, code, stack and causes. */
export type Log = (event: LogEvent, fields?: Readonly<Record<string, unknown>>) => void;

export interface LogOptions {
  readonly level: LogLevel;
  /** Takes one line with its newline. */
  readonly write: (line: string) => void;
}

export function createLog({ level, write }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    { write },
  );
  return (event, fields = {}) => logger[LOG_EVENTS[event]]({ event, ...fields });
}

/** Causes behind causes: enough for adapter, driver and system call. */
const MAX_CAUSES = 5;
/** A stack of ours fits; a message that somebody fills does not fill the disk. */
const MAX_TEXT = 4_000;

interface DescribedError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
  readonly cause?: DescribedError;
}

function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: cutText(String(error), MAX_TEXT) };
  return {
    type: error.name,
    message: cutText(error.message, MAX_TEXT),
    ...("code" in error ? { code: error.code } : {}),
    // Whose cause is told needs no second stack.
    ...(depth === 0 ? { stack: error.stack && cutText(error.stack, MAX_TEXT) } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  };
}
