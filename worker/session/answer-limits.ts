import type { LimitName, Limits } from "../limits.ts";
import type { SessionLog } from "./session-log.ts";

/** What a refusal counts as: limits of errors and of refused recipients are apart. */
export type Counting = "command" | "recipient" | "nothing";

/**
 * Counts a refusal. Our own trouble (451, 452) is nobody's error, and a refused recipient is no error either.
 *
 * @returns the limit that it is one too many for; null = answer as planned.
 */
export function limitPassed(
  log: SessionLog,
  limits: Limits,
  { code, countsAs }: { readonly code: number; readonly countsAs: Counting },
): Extract<LimitName, "maxErrors" | "maxRefusedRecipients"> | null {
  if (code < 400 || code === 451 || code === 452 || countsAs === "nothing") return null;
  if (countsAs === "recipient") {
    log.refusedRecipients += 1;
    return log.refusedRecipients > limits.maxRefusedRecipients ? "maxRefusedRecipients" : null;
  }
  log.errors += 1;
  return log.errors > limits.maxErrors ? "maxErrors" : null;
}
