// Written by npm run document; not to be changed by hand.

/** Every problem that the API of this release may answer. */
export const PROBLEM_CODES = [
  "invalid-request",
  "unauthenticated",
  "missing-scope",
  "no-access",
  "not-found",
  "method-not-allowed",
  "request-timeout",
  "name-taken",
  "in-use",
  "shared-host",
  "host-taken",
  "already-exists",
  "unreadable",
  "gone",
  "stale-revision",
  "too-large",
  "unsupported-media-type",
  "rule-violation",
  "condition-missing",
  "too-many-attempts",
  "header-too-large",
  "internal",
  "storage-full",
  "unavailable",
] as const;
