import { pino } from "pino";
import type { Log, LogLevel } from "../../core/log-event.ts";
import { createLog } from "../telemetry/log.ts";
import {
  AT_ONCE,
  createShutdown,
  endOnSignalsAndErrors,
  type ShutdownEvent,
  type ShutdownStep,
} from "./shutdown.ts";
import { startFailureOf } from "./start-failure.ts";

/** Services for a process that starts. */
export interface Starting {
  readonly log: Log;
  /** Takes a line that goes where the log goes, with its newline. */
  readonly writeLine: (line: string) => void;
  /**
   * Takes what is to be ended, in order of its start; ended in reverse, also when the start fails half-way.
   */
  readonly addEnding: (step: ShutdownStep) => void;
  /** Whether the end has begun. */
  readonly isEnding: () => boolean;
}

export interface ProcessOptions {
  readonly logLevel: LogLevel;
  /** File descriptor of the log. */
  readonly logTo: 1 | 2;
  /** The limit `drainMs`. */
  readonly drainMs: number;
  readonly start: (starting: Starting) => Promise<void>;
  /** Receives the reason, besides the log, when it did not start. */
  readonly onFailure: (reason: string) => void;
}

/** Beyond `drainMs`: for what comes after the last transaction. */
const GRACE_MARGIN_MS = 5_000;
const EXIT_ERROR = 1;
/** Log lines that no process reads are dropped beyond this, rather than stop the mail. */
const MAX_UNWRITTEN_LOG_BYTES = 16 * 1024 * 1024;
const LAST_LINES_WITHIN_MS = 500;

/** Runs a process that takes mail, from its first log line to its orderly end. */
export async function runProcess({
  logLevel,
  logTo,
  drainMs,
  start,
  onFailure,
}: ProcessOptions): Promise<void> {
  const destination = pino.destination({ fd: logTo, sync: false, maxLength: MAX_UNWRITTEN_LOG_BYTES });
  // A log that cannot be written must not end the mail.
  destination.on("error", () => undefined);
  const writeLine = (line: string): void => void destination.write(line);
  const log = createLog({ level: logLevel, write: writeLine });
  // Node's own warnings are lines of the log too.
  process.removeAllListeners("warning");
  process.on("warning", (error) => log("process-warning", { error }));
  const exit = (code: number): void => {
    setTimeout(() => process.exit(code), LAST_LINES_WITHIN_MS);
    destination.flush(() => process.exit(code));
  };

  const endings: ShutdownStep[] = [];
  const shutdown = createShutdown({
    graceMs: drainMs + GRACE_MARGIN_MS,
    steps: () => endings.toReversed(),
    monotonicNow: () => performance.now(),
    after: (ms, then) => void setTimeout(then, ms),
    exit,
    onEvent: (event) => logShutdown(log, event),
  });
  endOnSignalsAndErrors(process, (cause) => shutdown.begin(cause));

  try {
    await start({
      log,
      writeLine,
      addEnding: (step) => void endings.push(step),
      isEnding: () => shutdown.begun(),
    });
  } catch (error) {
    log("start-failed", { error });
    const failure = startFailureOf(error);
    onFailure(failure?.message ?? "an error that no code expected; see the log");
    for (const step of endings.toReversed()) await step.run(AT_ONCE).catch(() => undefined);
    exit(failure?.exitCode ?? EXIT_ERROR);
  }
}

function logShutdown(log: Log, event: ShutdownEvent): void {
  switch (event.kind) {
    case "begun": {
      if (event.cause.kind === "error")
        log("internal-error", { where: event.cause.origin, error: event.cause.error });
      const why = event.cause.kind === "signal" ? event.cause.signal : event.cause.origin;
      return log("stopping", { why, graceMs: event.graceMs });
    }
    case "error-while-ending":
      return log("internal-error", { ...event.cause });
    case "step-failed":
      return log("shutdown-step-failed", { step: event.step, error: event.error });
    case "grace-over":
      return log("shutdown-timed-out", { step: event.step });
    case "ended":
      return log("stopped", { code: event.code });
    default:
      return event satisfies never;
  }
}
