import type { Effects } from "../frame/effects.ts";
import { failureOf } from "../frame/error-printer.ts";
import { EXIT } from "../frame/exit-code.ts";
import { type Postern, PosternNetworkError } from "../../../sdk/src/index.ts";
import type { Step } from "./step.ts";

export interface Applying {
  readonly postern: Postern;
  readonly effects: Pick<Effects, "clock" | "signal">;
  /** Text of a file of a private key. */
  readonly readKey: (path: string) => Promise<string>;
  readonly onDone: (step: Step, done: number) => void;
}

/** What is known of a step's write. `unknown`: it was sent, and its answer did not arrive. */
export type Result = "done" | "failed" | "unknown" | "not-tried";

export interface Fault {
  readonly code: string | null;
  readonly message: string;
  /** JSON pointers into what was written, and what is wrong there. */
  readonly places: readonly { readonly pointer: string; readonly message: string }[];
  readonly isConflict: boolean;
}

export interface Outcome {
  readonly step: Step;
  readonly result: Result;
  /** null = done, or not tried because an earlier fault ended the work. */
  readonly fault: Fault | null;
}

/** Outcomes of the steps of one plan, and what they were stored at. */
export class Outcomes {
  readonly #all = new Map<Step, Outcome>();
  readonly #revisions = new Set<number>();
  readonly #onDone: (step: Step, done: number) => void;
  #done = 0;
  /** What ended the work before its end; null = nothing did. */
  stopped: Fault | null = null;

  constructor(onDone: (step: Step, done: number) => void) {
    this.#onDone = onDone;
  }

  done(step: Step, revision: number | null): void {
    this.#all.set(step, { step, result: "done", fault: null });
    if (revision !== null) this.wrote(revision);
    this.#done += 1;
    try {
      this.#onDone(step, this.#done);
    } catch (error) {
      // What is done cannot be shown: the batches under way are the last ones.
      this.stopped ??= faultOf(error);
    }
  }

  /** A write of a step that has further ones. */
  wrote(revision: number): void {
    this.#revisions.add(revision);
  }

  failed(step: Step, fault: Fault): void {
    this.#all.set(step, { step, result: "failed", fault });
  }

  unknown(step: Step, fault: Fault): void {
    this.#all.set(step, { step, result: "unknown", fault });
  }

  notTried(step: Step, fault: Fault): void {
    this.#all.set(step, { step, result: "not-tried", fault });
  }

  of(step: Step): Outcome {
    return this.#all.get(step) ?? { step, result: "not-tried", fault: null };
  }

  /** Whether a write of this plan made the revision: a stale one is then no one else's. */
  isOwn(revision: number): boolean {
    return this.#revisions.has(revision);
  }

  get lastRevision(): number {
    return Math.max(0, ...this.#revisions);
  }

  /**
   * What an error means for the step that met it. An API that does not answer, or takes no call of this
   * caller, ends the work.
   */
  met(step: Step, error: unknown, isAborted: boolean): void {
    const fault = faultOf(error);
    const isLost = isAborted || error instanceof PosternNetworkError;
    if (isLost) this.unknown(step, fault);
    else this.failed(step, fault);
    if (isLost || ENDING.has(fault.code ?? "")) this.stopped ??= fault;
  }
}

const ENDING: ReadonlySet<string> = new Set(["unauthenticated", "missing-scope", "no-access", "unavailable"]);

export function faultOf(error: unknown): Fault {
  const { code, message, places, exitCode } = failureOf(error);
  return {
    code,
    message,
    places: places.map(({ where, message: text }) => ({ pointer: where, message: text })),
    isConflict: exitCode === EXIT.conflict,
  };
}

/** The revision that an entity tag names; null = none. */
export function revisionOf(etag: string | undefined): number | null {
  const digits = /^"(\d{1,15})"$/u.exec(etag ?? "")?.[1];
  return digits === undefined ? null : Number(digits);
}
