import { describe, expect, it } from "vitest";
import { retryAfterMs } from "./retry-after.ts";

const clock = { now: () => Date.parse("2026-11-29T00:00:00Z") };
const WEEK_MS = 7 * 24 * 3600 * 1000;

describe("Retry-After", () => {
  it.each([
    [undefined, null],
    ["", null],
    ["0", 0],
    [" 120 ", 120_000],
    ["9999999999", WEEK_MS],
    ["Sun, 29 Nov 2026 00:02:00 GMT", 120_000],
    ["Sat, 28 Nov 2026 00:00:00 GMT", 0],
    ["Sun, 29 Nov 2099 00:00:00 GMT", WEEK_MS],
    ["2026-11-29T00:02:00Z", null],
    ["-5", null],
    ["1e9", null],
    ["1.5", null],
    ["99999999999", null],
    ["Sun, 99 Nov 2026 00:00:00 GMT", null],
  ])("of %j is %j milliseconds", (field, ms) => {
    expect(retryAfterMs(field, clock)).toBe(ms);
  });
});
