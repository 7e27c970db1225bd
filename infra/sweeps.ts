/** What the schedule's function is told, `{ "sweep": … }`, and how often. */
export const SWEEPS = {
  /** The snapshot, for edges that start while the table cannot be read. */
  backup: "rate(5 minutes)",
  /** States of certificates, and the metric that the alarm watches. */
  expiry: "rate(1 hour)",
  /** Renewals of ACM that no event told of. */
  renewals: "rate(1 day)",
  /** Objects older than a day that no record names. */
  "clean-up": "rate(1 day)",
} as const;
