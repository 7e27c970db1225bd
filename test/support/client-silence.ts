import { MAIL_BUCKET_LIMITS } from "../../adapters/aws/mail-bucket.ts";
import type { LIMIT_TABLE, LimitName, Limits } from "../../worker/config/limits.ts";

type TimeLimit = {
  [Name in LimitName]: (typeof LIMIT_TABLE)[Name]["unit"] extends "ms" ? Name : never;
}[LimitName];
type Phase =
  | "proxy header"
  | "greeting"
  | "handshake"
  | "prompt"
  | "message"
  | "first recipient"
  | "reply to the dot";

/**
 * Waits during which a client's connection carries nothing in either direction, by phase of a session: how
 * many times each limit may elapse in a row before the next octet. A new limit does not compile until it is
 * here.
 */
export const SILENCES: Readonly<Record<TimeLimit, Readonly<Partial<Record<Phase, number>>>>> = {
  proxyHeaderMs: { "proxy header": 1 },
  greetingDelayMs: { greeting: 1 },
  // Part of handshakeMs.
  clientHelloMs: {},
  handshakeMs: { handshake: 1 },
  commandMs: { prompt: 1 },
  dataMs: { message: 1 },
  // Lookup, TCP, TLS.
  nextHopConnectMs: { "first recipient": 3 },
  // Greeting, EHLO, STARTTLS, EHLO, AUTH, XFORWARD, MAIL, RCPT; DATA, the rest of the message, its end.
  nextHopReplyMs: { "first recipient": 8, "reply to the dot": 3 },
  nextHopDotMs: { "reply to the dot": 1 },
  // Judged at a prompt.
  sessionMs: {},
  // Sessions go on as before.
  acceptAfterTermMs: {},
  // Ends sessions earlier, never later.
  drainMs: {},
};

/** Into a bucket: the last part, the envelope, and what makes the parts one object. */
const STORE_CALLS_AFTER_DOT = 3;

/**
 * The longest time, in milliseconds, for which an edge with these limits leaves a client's connection silent.
 */
export function longestSilenceMs(limits: Limits): number {
  const byPhase = new Map<string, number>();
  for (const [name, phases] of Object.entries(SILENCES)) {
    for (const [phase, times] of Object.entries(phases)) {
      byPhase.set(phase, (byPhase.get(phase) ?? 0) + times * limits[name as TimeLimit]);
    }
  }
  return Math.max(...byPhase.values(), STORE_CALLS_AFTER_DOT * MAIL_BUCKET_LIMITS.deadlineMs);
}
