/**
 * Sweeps and their intervals in minutes: what happens without a request. On AWS EventBridge calls the
 * schedule's function for each (infra/schedule.ts); on one machine timers of the process run those that have
 * something to do there (local/schedule.ts).
 */
export const SWEEP_MINUTES = {
  /** The snapshot, for edges that start while the table cannot be read. */
  backup: 5,
  /** Certificates that Postern makes or orders: what is due for each. */
  issuance: 5,
  /** TXT records of names that accounts have still to show to be their own. */
  ownership: 5,
  /** States of certificates, and the metric that the alarm watches. */
  expiry: 60,
  /** Renewals of ACM for which no event arrived. */
  renewals: 24 * 60,
  /** Objects older than a day that no record names. */
  "clean-up": 24 * 60,
} as const;

export type Sweep = keyof typeof SWEEP_MINUTES;

/** Sweeps by name, in the order of the table. */
export const SWEEPS = Object.keys(SWEEP_MINUTES) as readonly Sweep[];
