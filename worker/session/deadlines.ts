/** Deadlines of a session: for its next command, for the whole of it, and for a message. */
import type { Limits } from "../config/limits.ts";

/**
 * The time that a client may take for its next command, and for its whole session; both absolute. One timer
 * for each session, restarted at each prompt: a timer for each command would show in the CPU of a session.
 */
export class PromptDeadline {
  readonly #commandMs: number;
  readonly #sessionEndsAt: number;
  readonly #onPassed: (limit: "commandMs" | "sessionMs") => void;
  #timer: NodeJS.Timeout;
  #limit: "commandMs" | "sessionMs" = "commandMs";
  #waiting = false;

  constructor({ commandMs, sessionMs }: Limits, onPassed: (limit: "commandMs" | "sessionMs") => void) {
    this.#commandMs = commandMs;
    this.#sessionEndsAt = performance.now() + sessionMs;
    this.#onPassed = onPassed;
    this.#timer = setTimeout(() => this.#passed(), commandMs);
  }

  /** Whether it is the client's turn. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** The client's turn begins. */
  ask(): void {
    this.#waiting = true;
    const leftMs = this.#sessionEndsAt - performance.now();
    if (leftMs > this.#commandMs) {
      this.#timer.refresh();
      return;
    }
    this.#limit = "sessionMs";
    clearTimeout(this.#timer);
    if (leftMs <= 0) return this.#passed();
    this.#timer = setTimeout(() => this.#passed(), leftMs);
  }

  /** A whole line has come. */
  answered(): void {
    this.#waiting = false;
  }

  stop(): void {
    this.#waiting = false;
    clearTimeout(this.#timer);
  }

  /** While we are busy with a command, nothing runs against the client. */
  #passed(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    this.#onPassed(this.#limit);
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

/**
 * Ends a message that takes too long as a whole, or comes too slowly; until its dot, or `stop`. One timer at
 * a time.
 */
export class DataDeadline {
  readonly #stream: WatchedStream;
  readonly #limits: Limits;
  readonly #onPassed: (limit: "dataMs" | "dataMinBytesPerSecond") => void;
  #timer: NodeJS.Timeout;
  #elapsedMs = 0;
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
    this.#timer = this.#judgeAfter(RATE_AFTER_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #judgeAfter(ms: number): NodeJS.Timeout {
    const stepMs = Math.min(ms, this.#limits.dataMs - this.#elapsedMs);
    return setTimeout(() => this.#judge(stepMs), stepMs);
  }

  #judge(stepMs: number): void {
    if (this.#stream.writableEnded) return;
    this.#elapsedMs += stepMs;
    if (!this.#stream.writableNeedDrain) this.#sendingMs += stepMs;
    if (this.#elapsedMs >= this.#limits.dataMs) return this.#onPassed("dataMs");
    const expected = (this.#limits.dataMinBytesPerSecond * this.#sendingMs) / 1_000;
    if (this.#stream.byteLength < expected) return this.#onPassed("dataMinBytesPerSecond");
    this.#timer = this.#judgeAfter(RATE_EVERY_MS);
  }
}
