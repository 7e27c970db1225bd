/** Warnings about a domain whose settings are valid and may still have an unexpected effect. */
export const WARNING_CODES = [
  "rfc3207-public-mx",
  "enforcement-observe",
  "certificate-self-signed",
  "certificate-expiring",
  "certificate-expired",
  "certificate-not-yet-valid",
  "certificate-failed",
  "certificate-unreadable",
  "certificate-issuer-missing",
  "default-certificate-lacks-host",
  "mx-hosts-differ",
  "mx-host-unreadable",
  "client-certificate-asked",
  "client-certificate-anybody",
  "public-roots-client-auth",
  "exception-expiring",
  "exception-expired",
  "exception-never-matches",
  "exception-shadowed",
  "exception-without-effect",
  "trust-store-unreadable",
  "trust-anchor-expiring",
  "trust-anchor-expired",
  "trust-anchor-not-yet-valid",
  "trust-anchor-limited",
  "trust-anchors-share-name",
  "crl-expiring",
  "crl-expired",
  "crl-missing",
  "delivery-opportunistic",
  // Only in the status, which knows the edges.
  "level-none-on-shared-listener",
  "not-served",
  "no-live-edge",
  "edge-stale",
  "settings-unreadable",
  "settings-unreadable-at-edge",
  "certificate-problem-at-edge",
  "certificate-not-loaded-at-edge",
  "default-certificate-expiring",
  "default-certificate-expired",
  "chain-verifier-missing",
] as const;
export type WarningCode = (typeof WARNING_CODES)[number];

/**
 * Warnings that an operator may acknowledge at a domain: each reports a choice that the settings make on
 * purpose, and holds as long as they make it. Those of time, of other records and of edges stay: acknowledged
 * once, they would hide the next fault.
 */
export const ACKNOWLEDGEABLE_CODES = [
  "rfc3207-public-mx",
  "enforcement-observe",
  "mx-hosts-differ",
  "client-certificate-asked",
  "client-certificate-anybody",
] as const satisfies readonly WarningCode[];

export const isAcknowledgeable = (code: string): code is (typeof ACKNOWLEDGEABLE_CODES)[number] =>
  ACKNOWLEDGEABLE_CODES.some((each) => each === code);
