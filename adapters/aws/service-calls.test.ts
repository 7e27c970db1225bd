import { describe, expect, it } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import type { RetryEffects } from "../../core/retry.ts";
import { ServiceCalls, TryAgain } from "./service-calls.ts";

/** Time that passes only while sleeping; `random` is as given. */
function effects(random = 0.5): RetryEffects & { readonly pauses: number[] } {
  const pauses: number[] = [];
  let now = 5_000;
  return {
    pauses,
    now: () => now,
    random: () => random,
    sleep: (ms) => {
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

/** An error as the SDK throws it for an answer of the service. */
const answered = (name: string, status: number, metadata = {}): Error =>
  Object.assign(new Error("secret detail"), {
    name,
    $fault: status < 500 ? "client" : "server",
    $metadata: { httpStatusCode: status, ...metadata },
  });
const ofNetwork = (code: string): Error => Object.assign(new Error("secret detail"), { code });
const named = (name: string): Error => Object.assign(new Error("secret detail"), { name });

/** Fails with each error in turn and then answers. */
function failing(...errors: readonly Error[]) {
  const left = [...errors];
  const tries = { count: 0 };
  const send = () => {
    tries.count += 1;
    const error = left.shift();
    return error === undefined ? Promise.resolve("answer") : Promise.reject(error);
  };
  return { tries, send };
}

describe("a call", () => {
  it.each([
    answered("ThrottlingException", 400),
    answered("ProvisionedThroughputExceededException", 400),
    answered("TransactionInProgressException", 400),
    answered("SlowDown", 503),
    answered("Whatever", 500),
    answered("Whatever", 429),
    answered("InvalidSignatureException", 403, { clockSkewCorrected: true }),
    ofNetwork("ECONNRESET"),
    ofNetwork("ECONNREFUSED"),
    ofNetwork("EAI_AGAIN"),
    named("AbortError"),
    named("TimeoutError"),
    new SyntaxError("Unexpected end of JSON input"),
    new TryAgain("not yet"),
  ])("is made again after %s", async (error) => {
    const { tries, send } = failing(error, error);
    expect(await new ServiceCalls("store", {}, effects()).call(send)).toBe("answer");
    expect(tries.count).toBe(3);
  });

  it.each([
    answered("AccessDeniedException", 400),
    answered("ResourceNotFoundException", 400),
    answered("NoSuchBucket", 404),
    answered("InvalidSignatureException", 403),
    named("CredentialsProviderError"),
  ])("is Unavailable at once after $name, which only the log sees", async (error) => {
    const { tries, send } = failing(error);
    const refused = new ServiceCalls("store", {}, effects()).call(send);
    await expect(refused).rejects.toEqual(
      new Unavailable("the store refuses our requests", { cause: error }),
    );
    expect(tries.count).toBe(1);
  });

  it.each([
    ["a request that can never work", answered("ValidationException", 400), []],
    ["what the caller expects", answered("PreconditionFailed", 412), ["PreconditionFailed"]],
    ["an error in our own code", new TypeError("x is not a function"), []],
  ])("passes %s on", async (_, error, expected) => {
    const { tries, send } = failing(error);
    await expect(new ServiceCalls("store", {}, effects()).call(send, expected)).rejects.toBe(error);
    expect(tries.count).toBe(1);
  });

  it("waits with full jitter: from nothing to a bound that doubles up to a second", async () => {
    const many = Array.from({ length: 8 }, () => answered("ThrottlingException", 400));
    const longest = effects(1);
    await new ServiceCalls("store", { deadlineMs: 60_000 }, longest).call(failing(...many).send);
    expect(longest.pauses).toEqual([25, 50, 100, 200, 400, 800, 1000, 1000]);
    const shortest = effects(0);
    await new ServiceCalls("store", {}, shortest).call(failing(...many).send);
    expect(new Set(shortest.pauses)).toEqual(new Set([0]));
  });

  it("is Unavailable within its deadline, keeping the last cause", async () => {
    const time = effects(0.99);
    const last = answered("ThrottlingException", 400);
    const refused = new ServiceCalls("store", { deadlineMs: 3_000 }, time).call(() => Promise.reject(last));
    await expect(refused).rejects.toEqual(
      new Unavailable("the store does not answer in time", { cause: last }),
    );
    const waited = time.pauses.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThan(2_000);
    expect(waited).toBeLessThan(3_000);
  });

  it("names what the service last said, not that its own deadline cut the last try", async () => {
    const last = answered("SlowDown", 503);
    const { send } = failing(last, ...Array.from({ length: 200 }, () => named("AbortError")));
    await expect(
      new ServiceCalls("store", { deadlineMs: 2_000 }, effects()).call(send),
    ).rejects.toMatchObject({
      cause: last,
    });
  });

  it("gives each try its own limit, and the last no more than is left", async () => {
    const calls = new ServiceCalls("store", { tryMs: 20, deadlineMs: 60 });
    const ends: string[] = [];
    const refused = calls.call(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            const reason: unknown = signal.reason;
            ends.push(reason instanceof Error ? reason.name : "");
            reject(reason instanceof Error ? reason : new Error("aborted"));
          });
        }),
    );
    await expect(refused).rejects.toBeInstanceOf(Unavailable);
    expect(ends.length).toBeGreaterThan(0);
    expect(new Set(ends)).toEqual(new Set(["TimeoutError"]));
  });
});
