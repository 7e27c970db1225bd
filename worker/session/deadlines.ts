import type { Limits } from "../limits.ts";

/**
 * The time that a client may take for its next command, and for its whole session; both absolute. One timer for each
 * session, restarted at each prompt: a timer for each command would show in the CPU of a session.
 */
export class PromptDeadline {
  readonly #command: NodeJS.Timeout;
  readonly #session: NodeJS.Timeout;
  readonly #onPassed: (limit: "commandMs" | "sessionMs") => void;
  #waiting = false;
  #sessionPassed = false;

  constructor(limits: Limits, onPassed: (limit: "commandMs" | "sessionMs") => void) {
    this.#onPassed = onPassed;
    this.#command = setTimeout(() => this.#passed("commandMs"), limits.commandMs);
    this.#session = setTimeout(() => {
      this.#sessionPassed = true;
      this.#passed("sessionMs");
    }, limits.sessionMs);
  }

  /** Whether it is the client's turn. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** The client's turn begins. */
  ask(): void {
    this.#waiting = true;
    this.#command.refresh();
    if (this.#sessionPassed) this.#passed("sessionMs");
  }

  /** A whole line has come. */
  answered(): void {
    this.#waiting = false;
  }

  stop(): void {
    this.#waiting = false;
    clearTimeout(this.#command);
    clearTimeout(this.#session);
  }

  /** While we are busy with a command, nothing runs against the client. */
  #passed(limit: "commandMs" | "sessionMs"): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#onPassed(limit);
  }
}

/** What is watched of a message on its way in: see `SMTPServerDataStream`. */
export interface WatchedStream {
  readonly byteLength: number;
  /** The dot has come. */
  readonly writableEnded: boolean;
  /** We do not read: the next hop is slow, not the client. */
  readonly writableNeedDrain: boolean;
}

/** A client has this long to get under way before its rate is judged. */
const RATE_AFTER_MS = 30_000;
const RATE_EVERY_MS = 1_000;

/** Ends a message that takes too long as a whole, or comes too slowly; until its dot, or `stop`. */
export class DataDeadline {
  readonly #stream: WatchedStream;
  readonly #limits: Limits;
  readonly #onPassed: (limit: "dataMs" | "dataMinBytesPerSecond") => void;
  readonly #whole: NodeJS.Timeout;
  #rate: NodeJS.Timeout;
  /** Time in which the client could send. */
  #sendingMs = 0;

  constructor(
    stream: WatchedStream,
    limits: Limits,
    onPassed: (limit: "dataMs" | "dataMinBytesPerSecond") => void,
  ) {
    this.#stream = stream;
    this.#limits = limits;
    this.#onPassed = onPassed;
    this.#whole = setTimeout(() => this.#passed("dataMs"), limits.dataMs);
    this.#rate = setTimeout(() => this.#judge(RATE_AFTER_MS), RATE_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.#whole);
    clearTimeout(this.#rate);
  }

  #judge(elapsedMs: number): void {
    if (!this.#stream.writableNeedDrain) this.#sendingMs += elapsedMs;
    const expected = (this.#limits.dataMinBytesPerSecond * this.#sendingMs) / 1_000;
    if (this.#stream.byteLength < expected) return this.#passed("dataMinBytesPerSecond");
    this.#rate = setTimeout(() => this.#judge(RATE_EVERY_MS), RATE_EVERY_MS);
  }

  #passed(limit: "dataMs" | "dataMinBytesPerSecond"): void {
    this.stop();
    if (!this.#stream.writableEnded) this.#onPassed(limit);
  }
}
