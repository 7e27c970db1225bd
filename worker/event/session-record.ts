/** The record that each session leaves in the log. */
import type { Circumstance, ClientCertificateResult, Verdict, Reason } from "../../core/policy/verdict.ts";
import type { Timestamp } from "../../core/clock.ts";
import type { LimitName } from "../config/limits.ts";

/** How a session came to its end. */
export const SESSION_ENDS = [
  "quit",
  /** The client closed the connection, or it broke. */
  "client-left",
  "handshake-failed",
  "drained",
  /** Cut by the edge at the limit `limit`. */
  "limit",
  "protocol",
  "internal-error",
] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];

/** The verdict and reply for one recipient, by its domain: addresses of people are not logged. */
export interface RecordedRecipient {
  /** Canonical, or the escaped text of what was no domain name. */
  readonly domain: string;
  readonly outcome: Verdict["outcome"];
  readonly reason: Reason | null;
  readonly circumstance: Circumstance | null;
  /** Position in the domain's exceptions. */
  readonly exception: number | null;
  readonly clientCertificate: ClientCertificateResult;
  readonly detail: string | null;
  /** What the client heard, the next hop's word included: `550 5.7.1`. */
  readonly reply: string;
}

/** The client's certificate, as far as a log needs it. */
export interface RecordedCertificate {
  readonly fingerprintSha256: string;
  readonly spkiPin: string;
  /** The first of its dNSNames, escaped. */
  readonly names: readonly string[];
  readonly notAfter: Timestamp;
  /** OpenSSL's word in the handshake; `ok` under a trust, or its last error. */
  readonly handshake: string;
}

/**
 * One JSON-able object for each session. Bounded whatever the client does; every string that a client chose
 * is printable ASCII; no secrets, no addresses of recipients or senders.
 */
export interface SessionRecord {
  readonly id: string;
  readonly listener: string;
  readonly client: string;
  readonly clientPort: number;
  readonly startedAt: Timestamp;
  readonly milliseconds: number;
  /** Of the settings the session kept to its end. */
  readonly revision: number;
  readonly helo: string | null;
  readonly senderDomain: string | null;
  readonly tls: {
    readonly protocol: string;
    readonly cipher: string;
    readonly sni: string | null;
    readonly asked: boolean;
    readonly certificate: RecordedCertificate | null;
  } | null;
  readonly commands: number;
  readonly errors: number;
  readonly messages: number;
  /**
   * Messages that were begun and not accepted: refused, deferred (also by our own 451), or left before their
   * end.
   */
  readonly failedMessages: number;
  readonly bytes: number;
  /** The first 50; `recipientCount` counts all. */
  readonly recipients: readonly RecordedRecipient[];
  readonly recipientCount: number;
  readonly refusedRecipients: number;
  readonly refusedMessages: number;
  readonly end: SessionEnd;
  readonly limit: LimitName | null;
}
