import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  /** What is waited for, for the message. */
  readonly what: string;
  /** Shown when the time is up: what the other process had to say. */
  readonly explain?: () => string;
}

const STEP_MS = 50;

/**
 * After this a wait is taken for hung. No claim about speed: a busy machine takes ten times as long as a
 * quiet one.
 */
const PATIENCE_MS = 120_000;

/** Asks a process that sends no events until it gives an answer other than undefined. */
export async function waitUntil<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  { what, explain = () => "" }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms\n${explain()}`);
    await sleep(STEP_MS);
  }
}
