/** Why a recipient is not simply accepted: the rows of the verdict table (semantics.md section 3), in order. */
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
