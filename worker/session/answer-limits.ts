import type { LimitName, Limits } from "../config/limits.ts";
import type { SessionLog } from "./session-log.ts";

/**
 * What a refusal counts as. Errors of the protocol, refused recipients and refused messages have a limit each;
 * `nothing` is for what follows from another refusal.
 */
export type Counting = "command" | "recipient" | "message" | "nothing";

/**
 * Counts a refusal. Our own trouble (451, 452) is no error of the client.
 *
 * @returns the limit that it exceeds and that ends the session now; null = answer as planned.
 */
export function limitPassed(
  log: SessionLog,
  limits: Limits,
  { code, countsAs }: { readonly code: number; readonly countsAs: Counting },
): Extract<LimitName, "maxErrors" | "maxRefusedRecipients"> | null {
  if (code < 400 || code === 451 || code === 452) return null;
  switch (countsAs) {
    case "nothing":
      return null;
    case "message":
      // Each sender has to learn what became of its message, so this limit is judged at the next MAIL.
      log.refusedMessages += 1;
      return null;
    case "recipient":
      log.refusedRecipients += 1;
      return log.refusedRecipients > limits.maxRefusedRecipients ? "maxRefusedRecipients" : null;
    case "command":
      log.errors += 1;
      return log.errors > limits.maxErrors ? "maxErrors" : null;
    default:
      return countsAs satisfies never;
  }
}

/** Whether the session has had as many refused messages as it may. */
export const hasRefusedEnough = (log: SessionLog, limits: Limits): boolean =>
  log.refusedMessages >= limits.maxRefusedMessages;
