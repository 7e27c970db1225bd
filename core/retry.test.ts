import { describe, expect, it } from "vitest";
import { type Attempt, backoffMs, retryWithBackoff } from "./retry.ts";

/** A clock that only the pauses move. */
function effects(random = 0.5) {
  const pauses: number[] = [];
  let now = 1_000;
  return {
    pauses,
    now: () => now,
    random: () => random,
    sleep: async (ms: number) => {
      pauses.push(ms);
      now += ms;
    },
  };
}

const RANGE = { firstMs: 10, maxMs: 1_000 };
const tooLate = (cause: unknown): Error => new Error("too late", { cause });

describe("the backoff", () => {
  it("doubles from its first value to its maximum, and stays there", () => {
    expect([0, 1, 2, 6, 7, 100, 5_000].map((attempt) => backoffMs(RANGE, attempt))).toEqual([
      10, 20, 40, 640, 1_000, 1_000, 1_000,
    ]);
    expect(backoffMs({ firstMs: 0, maxMs: 5 }, 5_000)).toBe(0);
  });
});

describe("a retry", () => {
  it("returns the first value, and pauses with full jitter before it", async () => {
    const attempts: Attempt<string>[] = [{ failure: "a" }, { failure: "b" }, { value: "done" }];
    const at = effects();
    const attempt = async () => attempts.shift() ?? { failure: "none left" };
    expect(await retryWithBackoff({ ...RANGE, effects: at, deadline: 2_000, attempt, tooLate })).toBe("done");
    expect(at.pauses).toEqual([5, 10]);
  });

  it("makes no attempt that would begin at its deadline, and has the last failure in its error", async () => {
    const at = effects(0.999);
    let made = 0;
    const attempt = async () => ({ failure: (made += 1) });
    const retry = retryWithBackoff({ ...RANGE, effects: at, deadline: 1_100, attempt, tooLate });
    await expect(retry).rejects.toMatchObject({ message: "too late", cause: 4 });
    expect(at.pauses).toHaveLength(3);
    expect(at.now()).toBeLessThan(1_100);
  });

  it("ends at an error that is thrown", async () => {
    const at = effects();
    const attempt = async () => Promise.reject(new TypeError("final"));
    const retry = retryWithBackoff({ ...RANGE, effects: at, deadline: 2_000, attempt, tooLate });
    await expect(retry).rejects.toThrow(TypeError);
    expect(at.pauses).toEqual([]);
  });
});
