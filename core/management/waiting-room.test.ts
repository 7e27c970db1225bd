import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { steppedTime } from "../../test/support/stepped-time.ts";
import { OPERATOR_ACCOUNT } from "../actor.ts";
import { TooManyWaiting } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { JUDGE_EVERY_MS, type Look, type Waiter, WaitingRoom } from "./waiting-room.ts";

const NEVER = new AbortController().signal;
const notYet = async (): Promise<Look<string>> => ({ isOver: false, value: "not yet" });

/** A room whose requests wait until they are let go. */
function heldRoom() {
  const held = Promise.withResolvers<void>();
  let nowMs = 0;
  const sleep = async (ms: number) => {
    await held.promise;
    nowMs += ms;
  };
  const room = new WaitingRoom({ now: () => nowMs, sleep }, NEVER);
  const waits: Promise<unknown>[] = [];
  return {
    /** Whether there is a place for one more. */
    wait: async ({ account, caller }: Pick<Waiter, "account" | "caller">): Promise<boolean> => {
      const judge = async () => undefined;
      const wait = room.until(notYet, { account, caller, judge, timeoutMs: 1, everyMs: 1 });
      const isRefused = wait.then(
        () => false,
        (error: unknown) => error instanceof TooManyWaiting,
      );
      waits.push(isRefused);
      // One that waits has passed its first look, and is asleep.
      await new Promise((resolve) => setImmediate(resolve));
      return !(await Promise.race([isRefused, Promise.resolve(false)]));
    },
    letGo: async () => {
      held.resolve();
      await Promise.all(waits);
    },
  };
}

const callers = fc.record({
  account: fc.constantFrom(OPERATOR_ACCOUNT, "acme", "beta", "gamma"),
  caller: fc.constantFrom("a", "b", "c"),
});

/** What one may take, and who finds a place all the same. */
const GREEDY = [
  ["caller", [{ account: "acme", caller: "a" }], { account: "acme", caller: "b" }],
  [
    "caller of the operator's account",
    [{ account: OPERATOR_ACCOUNT, caller: "a" }],
    { account: OPERATOR_ACCOUNT, caller: "b" },
  ],
  [
    "account",
    ["a", "b", "c"].map((caller) => ({ account: "acme", caller })),
    { account: "beta", caller: "a" },
  ],
  [
    "set of accounts",
    ["acme", "beta", "gamma"].flatMap((account) => ["a", "b", "c"].map((caller) => ({ account, caller }))),
    { account: OPERATOR_ACCOUNT, caller: "a" },
  ],
] as const;

describe("places of a waiting room", () => {
  it.each(GREEDY)("leave a caller's share to others, whatever one %s takes", async (_, greedy, other) => {
    const room = heldRoom();
    for (const each of greedy) for (let count = 0; count < CAPS.waits; count += 1) await room.wait(each);
    for (let count = 0; count < CAPS.waitsOfCaller; count += 1) expect(await room.wait(other)).toBe(true);
    expect(await room.wait(other)).toBe(false);
    await room.letGo();
  });

  it("are never more than the caps, and are all given back", async () => {
    const property = fc.asyncProperty(
      fc.array(callers, { minLength: 60, maxLength: 160 }),
      async (arrivals) => {
        const room = heldRoom();
        const taken: typeof arrivals = [];
        for (const each of arrivals) if (await room.wait(each)) taken.push(each);
        const most = (keyOf: (one: (typeof taken)[number]) => string) =>
          Math.max(...Object.values(Object.groupBy(taken, keyOf)).map((each) => each?.length ?? 0));
        expect(taken.length).toBeLessThanOrEqual(CAPS.waits);
        expect(most(({ account }) => account)).toBeLessThanOrEqual(CAPS.waitsOfAccount);
        expect(most(({ account, caller }) => `${account} ${caller}`)).toBeLessThanOrEqual(CAPS.waitsOfCaller);
        const tenants = taken.filter(({ account }) => account !== OPERATOR_ACCOUNT);
        expect(tenants.length).toBeLessThanOrEqual(CAPS.waitsOfTenants);
        await room.letGo();
        for (const each of taken) expect(await room.wait(each)).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 20 });
  });
});

describe("a waiting caller", () => {
  const waiting = (judge: Waiter["judge"]) => ({ account: "acme", caller: "a", judge, everyMs: 500 });

  it("is judged again at least every 5 seconds, and after the last look", async () => {
    const time = steppedTime();
    const judgedAt: number[] = [];
    let lookedAt = -1;
    const judge = async () => {
      judgedAt.push(time.elapsedMs());
    };
    const look = async () => {
      lookedAt = time.elapsedMs();
      return notYet();
    };
    await new WaitingRoom(time.effects, NEVER).until(look, { ...waiting(judge), timeoutMs: 25_000 });
    const gaps = judgedAt.map((at, index) => at - (judgedAt[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(JUDGE_EVERY_MS);
    expect(judgedAt.at(-1)).toBe(lookedAt);
  });

  it("receives nothing once it is rejected, and gives its place back", async () => {
    const time = steppedTime();
    const room = new WaitingRoom(time.effects, NEVER);
    const judge = () => Promise.reject(new Error("revoked"));
    for (let count = 0; count <= CAPS.waitsOfCaller; count += 1)
      await expect(room.until(notYet, { ...waiting(judge), timeoutMs: 25_000 })).rejects.toThrow("revoked");
    expect(time.elapsedMs()).toBe((CAPS.waitsOfCaller + 1) * JUDGE_EVERY_MS);
  });
});
