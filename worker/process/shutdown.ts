/** What ends the process. */
export type ShutdownCause =
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | {
      readonly kind: "error";
      readonly origin: "uncaughtException" | "unhandledRejection";
      readonly error: unknown;
    };

export type ShutdownEvent =
  | { readonly kind: "begun"; readonly cause: ShutdownCause; readonly graceMs: number }
  | { readonly kind: "error-while-ending"; readonly cause: ShutdownCause }
  | { readonly kind: "step-failed"; readonly step: string; readonly error: unknown }
  /** Not everything ended in time; what was left is cut by the exit. */
  | { readonly kind: "grace-over"; readonly step: string }
  | { readonly kind: "ended"; readonly code: number };

/** State of the end, for the steps that depend on it. */
export interface Ending {
  /**
   * Aborted while no more work may be taken: from the start unless the cause is SIGTERM, with which a
   * platform announces the end in advance; after a SIGTERM, at the first unexpected error.
   */
  readonly hurry: AbortSignal;
}

/** Ending of a start that failed. */
export const AT_ONCE: Ending = { hurry: AbortSignal.abort() };

/** One part that ends; the next begins when it is done or has failed. */
export interface ShutdownStep {
  readonly name: string;
  readonly run: (ending: Ending) => Promise<void>;
}

export interface ShutdownOptions {
  /** All steps together. */
  readonly graceMs: number;
  /** In order. Called when the end begins, so that what was started meanwhile is in it. */
  readonly steps: () => readonly ShutdownStep[];
  readonly monotonicNow: () => number;
  readonly after: (ms: number, then: () => void) => void;
  readonly exit: (code: number) => void;
  readonly onEvent: (event: ShutdownEvent) => void;
}

/** Orderly end. */
const EXIT_OK = 0;
/** An error that no code expected, a part that did not end in time, or a second signal. */
const EXIT_ERROR = 1;

/**
 * Ctrl-C reaches this process twice when npm runs it: from the terminal and from npm, which forwards signals.
 * Only a signal after this time is a person who does not want to wait.
 */
const SAME_SIGNAL_MS = 250;

export interface Shutdown {
  readonly begun: () => boolean;
  /**
   * The first cause begins the end; a second signal exits at once; errors meanwhile are events and make the
   * exit code non-zero.
   */
  begin(cause: ShutdownCause): void;
}

export function createShutdown(options: ShutdownOptions): Shutdown {
  const { graceMs, monotonicNow, after, exit, onEvent } = options;
  let begunAt: number | null = null;
  let code = EXIT_OK;
  let running = "";
  const hurry = new AbortController();

  const runSteps = async (): Promise<void> => {
    for (const step of options.steps()) {
      running = step.name;
      try {
        await step.run({ hurry: hurry.signal });
      } catch (error) {
        code = EXIT_ERROR;
        onEvent({ kind: "step-failed", step: step.name, error });
      }
    }
    onEvent({ kind: "ended", code });
    exit(code);
  };

  return {
    begun: () => begunAt !== null,
    begin(cause) {
      if (cause.kind === "error") code = EXIT_ERROR;
      if (cause.kind === "error" || cause.signal !== "SIGTERM") hurry.abort();
      if (begunAt === null) {
        begunAt = monotonicNow();
        onEvent({ kind: "begun", cause, graceMs });
        after(graceMs, () => {
          onEvent({ kind: "grace-over", step: running });
          exit(EXIT_ERROR);
        });
        void runSteps();
        return;
      }
      if (cause.kind === "error") onEvent({ kind: "error-while-ending", cause });
      else if (monotonicNow() - begunAt > SAME_SIGNAL_MS) exit(EXIT_ERROR);
    },
  };
}

/** Lets signals and unexpected errors of a process begin its end. */
export function endOnSignalsAndErrors(
  events: Pick<NodeJS.Process, "on">,
  begin: (cause: ShutdownCause) => void,
): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    events.on(signal, () => begin({ kind: "signal", signal }));
  events.on("uncaughtException", (error) => begin({ kind: "error", origin: "uncaughtException", error }));
  events.on("unhandledRejection", (error) => begin({ kind: "error", origin: "unhandledRejection", error }));
}
