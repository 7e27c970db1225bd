import { pino } from "pino";
import { type Log, LOG_EVENTS, type LogLevel } from "../../core/log-event.ts";
import { cutText } from "../../core/plain-text.ts";

export interface LogOptions {
  readonly level: LogLevel;
  /** Takes one line with its newline. */
  readonly write: (line: string) => void;
}

/**
 * The log of a process, by pino. `error` in the fields is written as type, message, code, stack and causes.
 */
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
/** Our own stacks fit; a message that a client fills does not fill the disk. */
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
    // The stack of the outermost error leads to the others.
    ...(depth === 0 ? { stack: error.stack && cutText(error.stack, MAX_TEXT) } : {}),
    ...(error.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  };
}
