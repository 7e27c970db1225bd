/** The answer of an evaluation, and how it follows from what an edge decides. */

import type { Timestamp } from "../clock.ts";
import type { CertificateId } from "../name/ids.ts";
import type { RowExplanation } from "../policy/explanation.ts";
import type { JudgedRecipient } from "../policy/recipient-judge.ts";
import { REASONS, type Verdict } from "../policy/verdict.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { SmtpReply } from "../smtp/replies.ts";
import type { PeerCertificate } from "../x509/peer-certificate.ts";

/** Why a recipient is refused: a row of the verdict table, or a rule of addresses that the edge has. */
export const REFUSAL_REASONS = [
  ...REASONS,
  /** Bare postmaster on a shared listener without POSTMASTER. */
  "no-postmaster",
  /** A percent or bang route that would go on to a next hop. */
  "routed-address",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface EvaluatedReply {
  readonly code: number;
  readonly enhanced: string;
  /** Without the codes. */
  readonly text: string;
  /** As on the wire, without its line end. */
  readonly line: string;
}

/** The exception that applied. */
export interface AppliedException {
  /** Position in `tls.exceptions`. */
  readonly index: number;
  readonly reason: string;
}

/** What the client receives, and why. */
export interface Outcome {
  readonly verdict: Verdict["outcome"];
  readonly reply: EvaluatedReply;
  /**
   * Row of the verdict table that failed; null = none. Under enforcement `observe` the verdict is `accept` in
   * either case.
   */
  readonly row: number | null;
  readonly reason: RefusalReason | null;
  readonly exception: AppliedException | null;
}

/** The certificate that the edge presents in the handshake. */
export interface PresentedCertificate {
  /** `settings` = one of the account; `default` = the edge's own; `hidden` = one of another account. */
  readonly source: "settings" | "default" | "hidden";
  readonly certificateId: CertificateId | null;
  readonly version: number | null;
  /** The client's signature algorithms choose among them; empty = not known here. */
  readonly fingerprintsSha256: readonly string[];
  readonly notAfter: Timestamp | null;
}

export const CLIENT_RESULTS = ["absent", "verified", "failed", "not-evaluated"] as const;

/** What is made of the client's certificate. */
export interface EvaluatedClient {
  readonly result: (typeof CLIENT_RESULTS)[number];
  readonly reason: string;
  /** null = the client presents none. */
  readonly presented: Pick<PeerCertificate, "dnsNames" | "fingerprintSha256" | "spkiPin"> | null;
}

export interface Evaluation extends Omit<Outcome, "verdict" | "reply"> {
  readonly verdict: Outcome["verdict"] | "not-evaluated";
  /** Command that receives the reply. */
  readonly command: "MAIL" | "RCPT";
  /** null = it depends on the client's chain, which is not judged here: see `cases`. */
  readonly reply: EvaluatedReply | null;
  /** What is replied if the chain is valid for the domain and if it is not; null = the reply is known. */
  readonly cases: { readonly valid: Outcome; readonly invalid: Outcome } | null;
  /** null = in plaintext there is no handshake. */
  readonly certificate: PresentedCertificate | null;
  readonly clientCertificateRequested: boolean;
  readonly clientCertificate: EvaluatedClient;
  readonly listener: { readonly name: string; readonly dedicatedTo: string | null };
  /** Moment at which exceptions and certificates were judged. */
  readonly at: Timestamp;
  /** Revision of the settings; a draft is laid over it. */
  readonly revision: number;
  readonly explanation: readonly RowExplanation[];
}

function shownReply({ code, text }: SmtpReply): EvaluatedReply {
  const enhanced = /^\d\.\d{1,3}\.\d{1,3}(?= )/.exec(text)?.[0] ?? "";
  const rest = enhanced === "" ? text : text.slice(enhanced.length + 1);
  return { code, enhanced, text: rest, line: `${String(code)} ${text}` };
}

/** Outcome of a reply: 2xx, 4xx or 5xx. */
const outcomeOfReply = ({ code }: SmtpReply): Outcome["verdict"] =>
  code < 400 ? "accept" : code < 500 ? "defer" : "reject";

/** Outcome of a recipient that was judged. */
export function judgedOutcome({ verdict, settings }: JudgedRecipient, reply: SmtpReply): Outcome {
  const { reason } = verdict;
  return {
    verdict: outcomeOfReply(reply),
    reply: shownReply(reply),
    row: reason === null ? null : REASONS.indexOf(reason) + 1,
    reason,
    exception: appliedException(settings, verdict),
  };
}

function appliedException(settings: DomainRecord | null, { exception }: Verdict): AppliedException | null {
  const applied = exception === null ? undefined : settings?.tls.exceptions[exception];
  return exception === null || applied === undefined ? null : { index: exception, reason: applied.reason };
}

/** Outcome of a rule outside of the verdict table. */
export const refusedOutcome = (reason: RefusalReason | null, reply: SmtpReply): Outcome => ({
  verdict: outcomeOfReply(reply),
  reply: shownReply(reply),
  row: null,
  reason,
  exception: null,
});

/** Rows that are the same whatever the chain is; those after them depend on it. */
export function commonRows(
  valid: readonly RowExplanation[],
  invalid: readonly RowExplanation[],
): readonly RowExplanation[] {
  const differs = valid.findIndex(
    (row, at) => row.passed !== invalid[at]?.passed || row.text !== invalid[at].text,
  );
  if (differs === -1) return valid;
  return valid.map((row, at) =>
    at < differs
      ? row
      : { ...row, passed: null, text: "depends on the client's chain, which is not judged here", facts: {} },
  );
}
