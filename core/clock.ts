/** Wall-clock time as an argument, so that pure code reads no clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** RFC 3339 in UTC with milliseconds, as every stored and shown time is written. */
export type Timestamp = string;

export const timestamp = (epochMs: number): Timestamp => new Date(epochMs).toISOString();
