/** The verdict for one recipient, and the closed lists that it is made of. */

/** Fault of this edge rather than of the client: the failure is then deferred even under `reject`. */
export type Circumstance =
  /** Row 1: the snapshot is stale for more than 60 s. */
  | "stale"
  /** Row 3: this connection could not have had TLS. */
  | "tls-not-possible"
  /** Row 5: this connection was not asked for a certificate. */
  | "not-asked"
  /** Row 6: the chain could not be judged. */
  | "not-judged";

/**
 * What was found of the client certificate; recorded with every recipient whose mode is `request` or
 * `require`.
 */
export type ClientCertificateResult =
  | "not-requested"
  | "none"
  | "verified"
  | "untrusted"
  | "purpose"
  | "name"
  | "not-judged";

/** The verdict for one recipient. */
export interface Verdict {
  /** Kind of reply that the client receives. */
  readonly outcome: "accept" | "defer" | "reject";
  /** The first row that failed; under `observe` it is set although the outcome is `accept`. */
  readonly reason: Reason | null;
  readonly circumstance: Circumstance | null;
  /** Position in `tls.exceptions` of the one that applied; null = none. */
  readonly exception: number | null;
  readonly clientCertificate: ClientCertificateResult;
  /** Detail for log and `evaluate`, never for the reply: OpenSSL's words. */
  readonly detail: string | null;
}

/**
 * Why a recipient is not simply accepted: the rows of the verdict table (semantics.md section 3), in order.
 */
export const REASONS = [
  "relay-denied",
  "settings-unusable",
  "tls-required",
  "tls-too-old",
  "client-certificate-missing",
  "client-certificate-untrusted",
  "client-certificate-purpose",
  "client-certificate-name",
] as const;
export type Reason = (typeof REASONS)[number];
