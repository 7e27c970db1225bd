import { InvalidInput } from "../../core/errors.ts";
import type { SessionRecord } from "../event/session-record.ts";

/** Of which sessions a line is logged; those with a problem always have one. */
export type SessionLogging = "all" | "problems" | { readonly oneIn: number };

const ALLOWED = "must be all, problems, or 1/n with n from 2 to 1000000";

/** @throws InvalidInput */
export function parseSessionLogging(text: string): SessionLogging {
  if (text === "all" || text === "problems") return text;
  const digits = /^1\/(?<count>[1-9]\d{0,6})$/.exec(text)?.groups?.["count"];
  const oneIn = Number(digits);
  if (digits === undefined || oneIn < 2 || oneIn > 1_000_000) throw new InvalidInput(ALLOWED);
  return { oneIn };
}

export const describeSessionLogging = (logging: SessionLogging): string =>
  typeof logging === "string" ? logging : `1/${String(logging.oneIn)}`;

/**
 * Whether a person may have to look into a session. A verdict that `observe` let pass is one: its line is how an operator
 * finds senders that a stricter level would refuse.
 */
export function hasProblem(record: SessionRecord): boolean {
  if (record.end !== "quit" && record.end !== "client-left") return true;
  if (record.errors > 0 || record.refusedRecipients > 0 || record.failedMessages > 0) return true;
  return record.recipients.some(({ outcome, reason, reply }) => {
    return outcome !== "accept" || reason !== null || !reply.startsWith("2");
  });
}

/**
 * Chooses the sessions that are logged: the number of sessions that a line stands for, or null for none. Every nth of
 * those without a problem, counted, so that a line's weight is exact.
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
