import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Bucket, CallerRates, DEFAULT_RATE_LIMITS, rateLimitsVariable, take } from "./rate-limit.ts";

const LIMIT = { perSecond: 10, burst: 50 };

/** Requests at these times, in milliseconds. @returns which are allowed */
function allowed(times: readonly number[]): boolean[] {
  let bucket: Bucket | undefined;
  return times.map((atMs) => {
    const taken = take(bucket, LIMIT, atMs);
    bucket = taken.bucket;
    return taken.isAllowed;
  });
}

describe("a bucket", () => {
  it("allows a burst at once, and then the rate", () => {
    const burst = Array.from({ length: 51 }, () => 0);
    expect(allowed(burst).filter(Boolean)).toHaveLength(50);
    expect(allowed([...burst, 99, 100, 100, 200]).slice(51)).toEqual([false, true, false, true]);
  });

  it("has no more than the burst after any pause", () => {
    const later = Array.from({ length: 51 }, () => 3_600_000);
    expect(allowed([0, ...later]).filter(Boolean)).toHaveLength(51);
  });

  it("gives nothing away for requests that are not allowed, so that those who repeat wait no longer", () => {
    const refused = Array.from({ length: 200 }, () => 0);
    expect(allowed([...refused, 100]).at(-1)).toBe(true);
  });

  it("says what is left, when all of it is there again, and when the next request is allowed", () => {
    expect(take(undefined, LIMIT, 0)).toMatchObject({ remaining: 49, fullInSeconds: 1, retryInSeconds: 0 });
    expect(take({ left: 0.5, atMs: 0 }, LIMIT, 0)).toMatchObject({
      isAllowed: false,
      remaining: 0,
      fullInSeconds: 5,
      retryInSeconds: 1,
    });
    expect(take({ left: 0, atMs: 0 }, { perSecond: 1, burst: 60 }, 0).retryInSeconds).toBe(1);
  });

  it("allows no more in any time than the burst and the rate of that time", () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 300 }), (pauses) => {
        let now = 0;
        const times = pauses.map((pause) => (now += pause));
        const at = times.filter((_, index) => allowed(times)[index]);
        for (const [index, from] of at.entries())
          for (const [count, to] of at.slice(index).entries())
            expect(count + 1).toBeLessThanOrEqual(
              LIMIT.burst + ((to - from) * LIMIT.perSecond) / 1000 + 1e-6,
            );
      }),
      { numRuns: 20 },
    ));

  it("gains nothing while the clock is set back, and nothing is lost for good", () => {
    const later = take({ left: 0, atMs: 10_000 }, LIMIT, 0);
    expect(later.isAllowed).toBe(false);
    expect(take(later.bucket, LIMIT, 100).isAllowed).toBe(true);
  });
});

describe("the rates of callers", () => {
  it("are counted for each caller, and for reads and writes apart", () => {
    const limits = { read: { perSecond: 1, burst: 2 }, write: { perSecond: 1, burst: 1 } };
    const rates = new CallerRates(limits, () => 0);
    const results = [
      rates.take("a", "write"),
      rates.take("a", "write"),
      rates.take("a", "read"),
      rates.take("b", "write"),
    ];
    expect(results.map(({ isAllowed }) => isAllowed)).toEqual([true, false, true, true]);
  });

  it("are remembered of a bounded number of callers", () => {
    const limits = { read: { perSecond: 1, burst: 1 }, write: { perSecond: 1, burst: 1 } };
    const rates = new CallerRates(limits, () => 0);
    rates.take("first", "write");
    for (let n = 0; n < 19_999; n += 1) rates.take(`other-${n}`, "write");
    expect(rates.take("first", "write").isAllowed).toBe(false);
    for (let n = 0; n < 20_000; n += 1) rates.take(`next-${n}`, "write");
    expect(rates.take("first", "write").isAllowed).toBe(true);
  });
});

describe("API_RATE_LIMITS", () => {
  it("is 50 reads and 10 writes a second, and bursts of 5 seconds", () => {
    const expected = { read: { perSecond: 50, burst: 250 }, write: { perSecond: 10, burst: 50 } };
    expect(rateLimitsVariable.parse(undefined)).toEqual(expected);
    expect(DEFAULT_RATE_LIMITS).toEqual(expected);
  });

  it("sets each by its name", () =>
    expect(rateLimitsVariable.parse('{"writesPerSecond":100,"burstSeconds":2}')).toEqual({
      read: { perSecond: 50, burst: 100 },
      write: { perSecond: 100, burst: 200 },
    }));

  it.each([
    "",
    "[]",
    "null",
    '{"writes":1}',
    '{"readsPerSecond":0}',
    '{"burstSeconds":61}',
    '{"readsPerSecond":1.5}',
  ])("is not %j", (text) => expect(rateLimitsVariable.safeParse(text).success).toBe(false));
});
