import type { Clock } from "../../core/clock.ts";

/** A rate limit may last a week; a longer wait is a mistake of the CA. */
const MAX_RETRY_AFTER_MS = 7 * 24 * 3600 * 1000;
/** IMF-fixdate (RFC 9110 section 5.6.7). */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Milliseconds from now that a Retry-After field asks to wait (RFC 9110 section 10.2.3), at most a week.
 *
 * @returns null when it is absent or neither seconds nor a date.
 */
export function retryAfterMs(field: string | undefined, clock: Clock): number | null {
  if (field === undefined) return null;
  const value = field.trim();
  const ms = /^\d{1,10}$/.test(value) ? Number(value) * 1000 : dateOf(value) - clock.now();
  return Number.isNaN(ms) ? null : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS);
}

const dateOf = (value: string): number => (HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN);
