import { pino } from "pino";

/** Where lines of the log go. */
export interface LogDestination {
  /** Takes one line with its newline. Never throws, never waits. */
  readonly write: (line: string) => void;
  /** Writes what is held back, then calls `done`. */
  readonly flush: (done: () => void) => void;
}

/** Log lines that nobody reads are dropped past this, rather than stop the mail. */
const MAX_UNWRITTEN_BYTES = 16 * 1024 * 1024;
/** One write for each line would be a fifth of the CPU of a plaintext session. */
const HELD_BACK_BYTES = 8 * 1024;
const HELD_BACK_MS = 100;

/** @param to a file descriptor or a path. */
export function openLogDestination(to: number | string): LogDestination {
  const destination = pino.destination({
    dest: to,
    sync: false,
    minLength: HELD_BACK_BYTES,
    maxLength: MAX_UNWRITTEN_BYTES,
  });
  // A log that cannot be written must not end the mail.
  destination.on("error", () => undefined);
  let timer: NodeJS.Timeout | null = null;
  const flushHeld = (): void => {
    timer = null;
    destination.flush();
  };
  return {
    write(line) {
      destination.write(line);
      timer ??= setTimeout(flushHeld, HELD_BACK_MS).unref();
    },
    flush: (done) => destination.flush(() => done()),
  };
}
