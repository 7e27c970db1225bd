import type { Effects as Clock } from "../../../sdk/src/effects.ts";

/** Where output goes: stdout or stderr. */
export interface Sink {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
  /** Aborted when a text was not written; the reason is the error of the stream. */
  readonly failed: AbortSignal;
  /** Resolves when what was handed over is written, or has failed. */
  readonly flushed: () => Promise<void>;
}

export interface Stdin {
  readonly isTerminal: boolean;
  /** All of it, as UTF-8. @throws CommandError if it has more than `maxBytes` or is not UTF-8. */
  readonly text: (maxBytes: number) => Promise<string>;
  /** A line that is typed on the terminal. `isHidden`: without echo. */
  readonly ask: (prompt: string, isHidden: boolean) => Promise<string>;
}

export interface Files {
  /** A whole text file. @throws CommandError if it is absent, too large, or not UTF-8. */
  readonly read: (path: string, maxBytes: number) => Promise<string>;
  /** A whole file. @throws CommandError if it is absent or too large. */
  readonly readBytes: (path: string, maxBytes: number) => Promise<Uint8Array>;
  /** Writes all of the file or leaves it as it was, also when the process is killed. */
  readonly write: (path: string, text: string, mode: number) => Promise<void>;
  /** Permission bits of a file; null = it does not exist. */
  readonly mode: (path: string) => Promise<number | null>;
}

/** Everything outside of the program that a command can reach. */
export interface Effects {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly stdin: Stdin;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly files: Files;
  /** Aborted by Ctrl-C and SIGTERM; the reason is an Ended. */
  readonly signal: AbortSignal;
}

/** The program ends before its work is done. */
export class Ended extends Error {
  override readonly name = "Ended";
  readonly exitCode: number;

  /** @param exitCode 128 and the number of the signal, as a shell reports it; 1 if output was not written. */
  constructor(exitCode: number) {
    super("ended");
    this.exitCode = exitCode;
  }
}
