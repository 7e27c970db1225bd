/** Rate limits of callers: token buckets, and the variable that sets them. */

import * as z from "zod";
import { BoundedMap } from "../bounded-map.ts";

export const RATE_KINDS = ["read", "write"] as const;
export type RateKind = (typeof RATE_KINDS)[number];

/** How many requests a second a caller may make for long, and at once after a pause. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export type RateLimits = Readonly<Record<RateKind, RateLimit>>;

const perSecond = z.int().min(1).max(10_000);
/** `API_RATE_LIMITS`. A burst is so many seconds' requests. */
const settings = z.strictObject({
  readsPerSecond: perSecond.default(50),
  writesPerSecond: perSecond.default(10),
  burstSeconds: z.int().min(1).max(60).default(5),
});

const limitsOf = ({
  readsPerSecond,
  writesPerSecond,
  burstSeconds,
}: z.output<typeof settings>): RateLimits => ({
  read: { perSecond: readsPerSecond, burst: readsPerSecond * burstSeconds },
  write: { perSecond: writesPerSecond, burst: writesPerSecond * burstSeconds },
});

export const DEFAULT_RATE_LIMITS: RateLimits = limitsOf(settings.parse({}));

const NEEDED =
  'must be JSON such as {"readsPerSecond":50,"writesPerSecond":10,"burstSeconds":5}, with whole numbers: 1 to 10000 a second, 1 to 60 seconds';

export const rateLimitsVariable = z
  .string()
  .transform((text, context): RateLimits => {
    const read = settings.safeParse(jsonOf(text));
    if (read.success) return limitsOf(read.data);
    context.addIssue({ code: "custom", message: NEEDED });
    return z.NEVER;
  })
  .default(DEFAULT_RATE_LIMITS);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What was left of a burst, and when. */
export interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

export interface Taken {
  readonly bucket: Bucket;
  readonly isAllowed: boolean;
  /** Whole requests that are left of the burst. */
  readonly remaining: number;
  /** Seconds until the whole burst is there again. */
  readonly fullInSeconds: number;
  /** Seconds until the next request is allowed; 0 = now. */
  readonly retryInSeconds: number;
}

/**
 * Takes one request out of a bucket. One that is not allowed takes nothing, so that a caller which repeats
 * too early does not wait longer for it.
 *
 * @param bucket undefined = the caller has made no request: all of the burst is there.
 * @param nowMs a clock that was set back adds nothing, and takes nothing.
 */
export function take(
  bucket: Bucket | undefined,
  { perSecond: rate, burst }: RateLimit,
  nowMs: number,
): Taken {
  const elapsedMs = bucket === undefined ? 0 : Math.max(0, nowMs - bucket.atMs);
  const present = bucket === undefined ? burst : Math.min(burst, bucket.left + (elapsedMs * rate) / 1000);
  const isAllowed = present >= 1;
  const left = isAllowed ? present - 1 : present;
  return {
    bucket: { left, atMs: nowMs },
    isAllowed,
    remaining: Math.floor(left),
    fullInSeconds: Math.ceil((burst - left) / rate),
    retryInSeconds: left >= 1 ? 0 : Math.max(1, Math.ceil((1 - left) / rate)),
  };
}

/** How many callers have their buckets; the one that was active least recently is forgotten first. */
const CALLERS_REMEMBERED = 10_000;

/** The buckets of all callers, in this process alone. */
export class CallerRates {
  readonly #limits: RateLimits;
  readonly #now: () => number;
  readonly #buckets = new BoundedMap<string, Bucket>(CALLERS_REMEMBERED * RATE_KINDS.length);

  constructor(limits: RateLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  take(caller: string, kind: RateKind): Taken {
    const key = `${kind} ${caller}`;
    const taken = take(this.#buckets.get(key), this.#limits[kind], this.#now());
    this.#buckets.set(key, taken.bucket);
    return taken;
  }
}
