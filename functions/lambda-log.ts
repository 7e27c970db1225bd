import { timestamp } from "../core/clock.ts";
import { type Log, LOG_EVENTS, LOG_LEVELS, type LogLevel } from "../core/log-event.ts";

export interface LambdaLogOptions {
  /** Lines below it are left out. */
  readonly level: LogLevel;
  readonly now: () => number;
  readonly write: (line: string) => void;
}

/**
 * The log of a function, for CloudWatch Logs. No logging library: it would be a tenth of the API's bundle.
 */
export const createLambdaLog =
  ({ level: lowest, now, write }: LambdaLogOptions): Log =>
  (event, fields) => {
    const level = LOG_EVENTS[event];
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(lowest)) return;
    write(`${JSON.stringify({ level, time: timestamp(now()), event, ...fields })}\n`);
  };
