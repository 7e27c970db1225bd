/** Refusals of mail that cannot be handed on: their codes and texts. */
import type { DeliveryDetails, DeliveryFailure, DeliveryReply } from "./delivery.ts";

/** One of our refusals, as the client reads it: no host, address or secret of the operator in it. */
interface RefusalText {
  readonly code: number;
  readonly text: string;
}

/**
 * All our answers to mail that cannot be handed on (semantics.md section 4). Replies of the next hop are
 * passed back instead (adapters/smtp/passed-back.ts).
 */
const REFUSAL_TEXT = {
  "no-connection": { code: 451, text: "4.4.1 The next hop could not be reached, try again later" },
  "bad-connection": { code: 451, text: "4.4.2 The connection to the next hop failed, try again later" },
  "not-allowed": { code: 451, text: "4.4.1 The next hop may not be used, try again later" },
  "no-8bitmime": {
    code: 550,
    text: "5.6.3 The next hop does not take BODY=8BITMIME, and nothing is converted",
  },
  "no-smtputf8": { code: 550, text: "5.6.7 The next hop does not take SMTPUTF8, and nothing is converted" },
  "no-requiretls": { code: 550, text: "5.7.30 The next hop cannot do verified TLS with REQUIRETLS" },
  "over-next-hop-size": { code: 552, text: "5.3.4 The message is larger than the next hop takes" },
  "bad-address": { code: 550, text: "5.1.3 This address cannot be passed on" },
  "some-deferred": { code: 451, text: "4.2.0 Not delivered to every recipient, try again later" },
  "message-broke-off": { code: 451, text: "4.3.0 The message did not arrive whole" },
  "bare-line-end": { code: 550, text: "5.6.0 Bare CR or LF is not allowed in a message, lines end in CRLF" },
  "nul-octet": { code: 550, text: "5.6.0 NUL is not allowed in a message" },
  "long-line": { code: 550, text: "5.6.0 A line is longer than 998 octets" },
  "endless-line": { code: 550, text: "5.6.0 A line is longer than 1 MB" },
  "too-large": { code: 552, text: "5.3.4 The message is larger than this server takes" },
  "header-too-large": { code: 552, text: "5.3.4 The header section is larger than this server takes" },
  "too-many-hops": { code: 554, text: "5.4.6 Too many Received fields, this is a mail loop" },
  "storage-full": { code: 452, text: "4.3.1 Not enough storage, try again later" },
  "storage-failed": { code: 451, text: "4.3.0 Storage failed, try again later" },
  "not-configured": { code: 451, text: "4.3.5 This kind of delivery is not set up here" },
} as const satisfies Record<string, RefusalText>;

export type Refusal = keyof typeof REFUSAL_TEXT;

export type DeliveryRefusal = Extract<DeliveryReply, { kind: "refused" }>;

/** @param details for the log: `detail` is made printable and short here. */
export function refused(
  refusal: Refusal,
  cause: DeliveryFailure,
  { detail, ...details }: DeliveryDetails = {},
): DeliveryRefusal {
  const { code, text } = REFUSAL_TEXT[refusal];
  return {
    kind: "refused",
    code,
    text,
    cause,
    ...details,
    ...(detail === undefined ? {} : { detail: forLog(detail) }),
  };
}

/** The message cannot be taken as it is; thrown by what reads it while it is handed over. */
export class MessageRefused extends Error {
  override readonly name = "MessageRefused";
  readonly reply: DeliveryRefusal;
  constructor(refusal: Refusal) {
    super(REFUSAL_TEXT[refusal].text);
    this.reply = refused(refusal, "message");
  }
}

/** The answer to a message whose source threw. */
export function brokenOff(cause: unknown): DeliveryRefusal {
  if (cause instanceof MessageRefused) return cause.reply;
  return refused("message-broke-off", "message", cause instanceof Error ? { detail: cause.message } : {});
}

/** One line of printable ASCII, at most 300 characters. */
const forLog = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 300);
