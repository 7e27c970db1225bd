import { timestamp } from "../core/clock.ts";

const LEVELS = ["info", "error", "silent"] as const;
export type LambdaLogLevel = (typeof LEVELS)[number];

/** One JSON object a line: what CloudWatch Logs keeps of a function. */
export type LambdaLog = (
  level: Exclude<LambdaLogLevel, "silent">,
  fields: Readonly<Record<string, unknown>>,
) => void;

export interface LambdaLogOptions {
  /** Lines below it are left out. */
  readonly level: LambdaLogLevel;
  readonly now: () => number;
  readonly write: (line: string) => void;
}

/** No logging library: it would be a tenth of the API's bundle for one line of code. */
export const createLambdaLog =
  ({ level: lowest, now, write }: LambdaLogOptions): LambdaLog =>
  (level, fields) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(lowest)) return;
    write(`${JSON.stringify({ level, time: timestamp(now()), ...fields })}\n`);
  };
