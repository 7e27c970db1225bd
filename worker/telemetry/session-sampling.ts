import type { SessionLogging } from "../config/config.ts";
import type { SessionRecord } from "../event/session-record.ts";

/**
 * Whether a person may have to look into a session. A verdict that `observe` let pass is one: its line is how
 * an operator finds senders that a stricter level would refuse.
 */
export function hasProblem(record: SessionRecord): boolean {
  if (record.end !== "quit" && record.end !== "client-left") return true;
  if (record.errors > 0 || record.refusedRecipients > 0 || record.failedMessages > 0) return true;
  return record.recipients.some(({ outcome, reason, reply }) => {
    return outcome !== "accept" || reason !== null || !reply.startsWith("2");
  });
}

/**
 * Chooses the sessions that are logged: the number of sessions that a line stands for, or null for none.
 * Every nth of those without a problem, counted, so that a line's weight is exact.
 */
export function createSessionSampling(logging: SessionLogging): (record: SessionRecord) => number | null {
  if (logging === "all") return () => 1;
  let uneventful = 0;
  return (record) => {
    if (hasProblem(record)) return 1;
    if (logging === "problems") return null;
    uneventful += 1;
    return uneventful % logging.oneIn === 0 ? logging.oneIn : null;
  };
}
