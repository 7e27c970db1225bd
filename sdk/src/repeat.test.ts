import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holds } from "../../test/support/holds.ts";
import { createCall, type PosternOptions } from "./call.ts";
import { type Effects, REAL_EFFECTS } from "./effects.ts";
import { PosternError, PosternNetworkError } from "./errors.ts";
import { mayRepeat, REPEAT_POLICY } from "./repeat.ts";

const NOW = Date.parse("2026-11-29T00:00:00Z");
const TIMEOUT_MS = 30_000;

/** A time that passes only where a pause is asked for; timeouts never end. */
function instant(random = 0.5): { readonly effects: Effects; readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    pauses,
    effects: {
      now: () => NOW,
      random: () => random,
      sleep: (ms, signal) => {
        if (ms === TIMEOUT_MS) return new Promise(() => undefined);
        pauses.push(ms);
        return signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve();
      },
    },
  };
}

type Step = Response | Error;

/** A network that gives one step for each request, the last one again and again. */
function network(steps: readonly Step[]) {
  const seen: Request[] = [];
  const fetch: typeof globalThis.fetch = async (request) => {
    if (!(request instanceof Request)) throw new TypeError("not a request");
    seen.push(request.clone());
    const step = steps[Math.min(seen.length, steps.length) - 1];
    if (step instanceof Response) return step.clone();
    throw step ?? new TypeError("no step is left");
  };
  return { seen, fetch };
}

const problem = (status: number, code: string, headers: Record<string, string> = {}): Response =>
  new Response(
    JSON.stringify({ type: `urn:postern:problem:${code}`, status, detail: "d", requestId: "r", errors: [] }),
    { status, headers: { "content-type": "application/problem+json", ...headers } },
  );
const ok = (): Response =>
  Response.json({ items: [], unreadable: [], nextCursor: null }, { headers: { etag: '"7"' } });
const broken = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });

function client(steps: readonly Step[], options: Partial<PosternOptions> = {}, random?: number) {
  const { effects, pauses } = instant(random);
  const { seen, fetch } = network(steps);
  const url = "http://postern.example";
  return { call: createCall({ url, auth: { token: "t" }, fetch, effects, ...options }), seen, pauses };
}

const settings = { path: { name: "example.org" }, body: {} };

describe("a request", () => {
  it("is sent by fetch as a function, since that of a browser rejects another `this`", async () => {
    const { fetch: answer } = network([ok()]);
    function fetch(this: unknown, input: string | URL | Request, init?: RequestInit): Promise<Response> {
      if (this !== undefined) throw new TypeError("Illegal invocation");
      return answer(input, init);
    }
    const { call } = client([], { fetch });
    await expect(call("get", "/v1/domains")).resolves.toMatchObject({ etag: '"7"' });
  });
});

describe("a request that may be repeated", () => {
  it.each([
    ["429", problem(429, "too-many-attempts")],
    ["503", problem(503, "unavailable")],
    ["a connection that breaks", broken],
  ])("is sent again after %s, and answered", async (_title, step) => {
    const { call, seen } = client([step, step, ok()]);
    await expect(call("get", "/v1/domains")).resolves.toMatchObject({ etag: '"7"' });
    expect(seen).toHaveLength(3);
  });

  it.each([400, 401, 403, 404, 409, 412, 500, 502, 504])(
    "is sent once when %i is the answer",
    async (status) => {
      const { call, seen } = client([problem(status, "internal")]);
      await expect(call("get", "/v1/domains")).rejects.toMatchObject({ status, attempts: 1 });
      expect(seen).toHaveLength(1);
    },
  );

  it("is sent five times in all, and fails with the last answer", async () => {
    const { call, seen } = client([problem(503, "unavailable", { "retry-after": "1" })]);
    await expect(call("get", "/v1/domains")).rejects.toMatchObject({
      code: "unavailable",
      attempts: 5,
      retryAfterMs: 1_000,
    });
    expect(seen).toHaveLength(REPEAT_POLICY.maxAttempts);
  });

  it("fails as a network error, with the reason, when no attempt is answered", async () => {
    const { call } = client([broken]);
    const failure = await call("get", "/v1/domains").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PosternNetworkError);
    expect(failure).not.toBeInstanceOf(PosternError);
    expect(failure).toMatchObject({
      message: "no answer from http://postern.example: connect ECONNREFUSED",
      attempts: 5,
      cause: broken,
    });
  });

  it("brings its body and new credentials each time", async () => {
    let tokens = 0;
    const auth = { token: async () => `token-${(tokens += 1)}` };
    const { call, seen } = client([broken, ok()], { auth });
    await call("put", "/v1/domains/{name}", {
      path: { name: "example.org" },
      body: { mxHosts: ["mx.example.org"] },
      options: { ifMatch: 3 },
    });
    expect(seen.map(({ headers }) => headers.get("authorization"))).toEqual([
      "Bearer token-1",
      "Bearer token-2",
    ]);
    expect(await Promise.all(seen.map((request) => request.json()))).toEqual([
      { mxHosts: ["mx.example.org"] },
      { mxHosts: ["mx.example.org"] },
    ]);
  });

  it("is repeated when the answer breaks in the middle of its body", async () => {
    const half = (): Response =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.error(new Error("terminated")),
        }),
        { headers: { "content-type": "application/json" } },
      );
    let requests = 0;
    const fetch = async (): Promise<Response> => ((requests += 1) === 1 ? half() : ok());
    const { call } = client([], { fetch });
    await expect(call("get", "/v1/domains")).resolves.toMatchObject({ etag: '"7"' });
    expect(requests).toBe(2);
  });
});

describe("the pause before the next attempt", () => {
  it("doubles, at random below its longest", async () => {
    const { call, pauses } = client([problem(503, "unavailable")], {}, 0.999_999);
    await call("get", "/v1/domains").catch(() => undefined);
    expect(pauses.map(Math.round)).toEqual([250, 500, 1_000, 2_000]);
  });

  it.each([
    ["seconds", "3"],
    ["a date", new Date(NOW + 3_000).toUTCString()],
  ])("is at least what Retry-After asks for in %s", async (_title, value) => {
    const { call, pauses } = client([problem(429, "too-many-attempts", { "retry-after": value }), ok()]);
    await call("get", "/v1/domains");
    expect(pauses).toEqual([3_000 + 125]);
  });

  it("is none where Retry-After asks for more than the longest pause: the caller gets the answer", async () => {
    const { call, seen } = client([problem(503, "unavailable", { "retry-after": "11" })]);
    await expect(call("get", "/v1/domains")).rejects.toMatchObject({ retryAfterMs: 11_000, attempts: 1 });
    expect(seen).toHaveLength(1);
  });

  it("is from 0 to the longest pause, whatever the API asks for", async () => {
    await holds(
      fc.asyncProperty(
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.oneof(fc.string(), fc.nat(20).map(String)),
        async (random, value) => {
          const headers: Record<string, string> = /^[\u0020-\u007e]+$/u.test(value)
            ? { "retry-after": value }
            : {};
          const { call, pauses } = client([problem(503, "unavailable", headers)], {}, random);
          await call("get", "/v1/domains").catch(() => undefined);
          expect(pauses.filter((ms) => ms < 0 || ms > REPEAT_POLICY.maxPauseMs)).toEqual([]);
        },
      ),
    );
  });
});

describe("whether a request may be repeated", () => {
  const request = (method: string, headers: Record<string, string> = {}): Request =>
    new Request("http://postern.example/", { method, headers });

  it.each([
    ["GET", {}, true],
    ["HEAD", {}, true],
    ["PUT", {}, false],
    ["PUT", { "if-match": "*" }, false],
    ["PUT", { "if-match": " * " }, false],
    ["PUT", { "if-match": '"7"' }, true],
    ["PUT", { "if-none-match": "*" }, true],
    ["PATCH", {}, false],
    ["PATCH", { "if-match": '"7"' }, true],
    ["PATCH", { "if-match": "*" }, false],
    ["DELETE", {}, false],
    ["DELETE", { "if-match": '"7"' }, true],
    ["DELETE", { "if-match": "*" }, false],
    ["POST", {}, false],
    ["POST", { "if-match": '"7"' }, false],
    ["POST", { "idempotency-key": "k" }, true],
    ["OPTIONS", {}, false],
  ])("%s with %j: %j", (method, headers, expected) => {
    expect(mayRepeat(request(method, headers))).toBe(expected);
  });

  it.each([
    ["429", problem(429, "too-many-attempts")],
    ["503", problem(503, "unavailable")],
    ["a network error", broken],
  ])(
    "decides what is sent: a PUT without a condition is sent once, for all that %s is the answer",
    async (_title, step) => {
      const { call, seen } = client([step, ok()]);
      await expect(call("put", "/v1/domains/{name}", settings)).rejects.toMatchObject({ attempts: 1 });
      expect(seen).toHaveLength(1);
    },
  );
});

describe("a POST that creates or acts", () => {
  const create = { body: {} as never };
  const keysOf = (seen: readonly Request[]) => seen.map(({ headers }) => headers.get("idempotency-key"));

  it("is repeated under one random key, which no other call has", async () => {
    const { call, seen } = client([broken, problem(503, "unavailable"), ok()]);
    await call("post", "/v1/tokens", create);
    await call("post", "/v1/tokens", create);
    const [first, second, third, other] = keysOf(seen);
    expect(first).toMatch(/^[0-9a-f]{32}$/u);
    expect([second, third]).toEqual([first, first]);
    expect(other).toMatch(/^[0-9a-f]{32}$/u);
    expect(other).not.toBe(first);
  });

  it("has the key that the caller gives", async () => {
    const { call, seen } = client([ok()]);
    await call("post", "/v1/tokens", { ...create, options: { idempotencyKey: "mine" } });
    expect(keysOf(seen)).toEqual(["mine"]);
  });

  it("is asked for again while its first attempt runs, and not after any other 409", async () => {
    const running = problem(409, "request-in-progress", { "retry-after": "1" });
    const { call, seen, pauses } = client([broken, running, ok()]);
    await call("post", "/v1/tokens", create);
    expect(seen).toHaveLength(3);
    expect(pauses[1]).toBeGreaterThanOrEqual(1_000);
    const final = client([problem(409, "answer-not-kept")]);
    await expect(final.call("post", "/v1/tokens", create)).rejects.toMatchObject({ attempts: 1 });
  });
});

it("writes of other methods carry no key", async () => {
  const { call, seen } = client([ok()]);
  await call("put", "/v1/domains/{name}", settings);
  expect(seen.map(({ headers }) => headers.has("idempotency-key"))).toEqual([false]);
});

it("a POST that changes nothing is repeated without a key", async () => {
  const { call, seen } = client([broken, ok()]);
  await call("post", "/v1/evaluate", { isRead: true });
  expect(seen.map(({ method }) => method)).toEqual(["POST", "POST"]);
  expect(seen.some(({ headers }) => headers.has("idempotency-key"))).toBe(false);
});

describe("a signal", () => {
  const reason = new Error("the caller went away");

  it.each(["of the client", "of the call"])("%s ends a call that is under way", async (where) => {
    const controller = new AbortController();
    const fetch: typeof globalThis.fetch = (_request, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
        controller.abort(reason);
      });
    const { signal } = controller;
    const { call, pauses } = client([], where === "of the client" ? { fetch, signal } : { fetch });
    const options = where === "of the client" ? {} : { signal };
    await expect(call("get", "/v1/domains", { options })).rejects.toBe(reason);
    expect(pauses).toEqual([]);
  });

  it("ends the wait between two attempts", async () => {
    const controller = new AbortController();
    const { fetch, seen } = network([problem(503, "unavailable")]);
    const effects: Effects = {
      ...REAL_EFFECTS,
      random: () => 0.9,
      sleep: (ms, signal) => {
        if (ms !== TIMEOUT_MS) queueMicrotask(() => controller.abort(reason));
        return REAL_EFFECTS.sleep(ms === TIMEOUT_MS ? ms : 2 ** 30, signal);
      },
    };
    const { call } = client([], { fetch, effects });
    await expect(call("get", "/v1/domains", { options: { signal: controller.signal } })).rejects.toBe(reason);
    expect(seen).toHaveLength(1);
  });

  it("that is aborted already sends nothing", async () => {
    const { call, seen } = client([ok()]);
    await expect(call("get", "/v1/domains", { options: { signal: AbortSignal.abort(reason) } })).rejects.toBe(
      reason,
    );
    expect(seen).toEqual([]);
  });
});

describe("the timeout of an attempt", () => {
  it("is a network error that says so, and counts as one attempt", async () => {
    const fetch: typeof globalThis.fetch = (_request, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error));
      });
    const effects: Effects = { ...REAL_EFFECTS, sleep: () => Promise.resolve() };
    const { call } = client([], { fetch, effects, timeoutMs: 20, maxAttempts: 2 });
    await expect(call("get", "/v1/domains")).rejects.toMatchObject({
      name: "PosternNetworkError",
      message: "no answer from http://postern.example: no answer within 20 ms",
      attempts: 2,
    });
  });
});
