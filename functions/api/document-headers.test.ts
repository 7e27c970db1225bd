import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Caller } from "../../core/access/scope.ts";
import { Unavailable } from "../../core/errors.ts";
import {
  makeRecords,
  memoryVault,
  type Records,
  requestOf,
  ROUTE_CALLS,
  type RouteCall,
} from "../../test/support/access-walk.ts";
import { type ApiUnderTest, callerWith, openApi } from "../../test/support/api.ts";
import { copyOfRows } from "../../test/support/database-rows.ts";

/** Headers of the message itself, which a document does not name (OpenAPI 3.1, Response Object). */
const OF_MESSAGE: ReadonlySet<string> = new Set(["content-type", "content-length"]);
/** Of every answer to a caller that is known. */
const OF_KNOWN_CALLER = ["x-request-id", "cache-control", "ratelimit", "ratelimit-policy"];
const OPERATOR = callerWith({ scopes: ["operator"] });
const ENOUGH = { perSecond: 1_000, burst: 100_000 };
const RATES = { read: ENOUGH, write: ENOUGH };

type Documented = Readonly<
  Record<string, Readonly<Record<string, { readonly responses: Responses; readonly "x-scope"?: unknown }>>>
>;
interface DocumentedAnswer {
  readonly $ref?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}
type Responses = Readonly<Record<string, DocumentedAnswer>>;

interface World {
  readonly api: ApiUnderTest;
  readonly own: Records;
  readonly paths: Documented;
  readonly components: Responses;
}

let authenticate: () => Caller = () => OPERATOR;
let world: World;
let restore: () => void;
let close: () => Promise<void>;

beforeAll(async () => {
  const objects = new Map<string, Uint8Array>();
  const opened = await openApi({
    vault: memoryVault(objects),
    authenticate: () => authenticate(),
    rateLimits: RATES,
  });
  ({ close } = opened);
  const own = await makeRecords(opened.api, "default", 1);
  const { paths, components } = JSON.parse(await (await opened.api.app.request("/openapi.json")).text());
  world = { api: opened.api, own, paths, components: components.responses };
  const [rows, keys] = [copyOfRows(opened.api.database), [...objects]];
  restore = () => {
    rows();
    objects.clear();
    for (const [name, content] of keys) objects.set(name, content);
  };
});

afterAll(() => close());
beforeEach(() => {
  authenticate = () => OPERATOR;
  restore();
});

const ROUTES = Object.keys(ROUTE_CALLS);
const callsOf = (route: string): readonly RouteCall[] => ROUTE_CALLS[route]?.slice(1) as RouteCall[];

/** Answers of problems are components of the document. */
function resolved(answer: DocumentedAnswer = {}): DocumentedAnswer {
  const name = answer.$ref?.split("/").at(-1);
  return name === undefined ? answer : resolved(world.components[name]);
}

async function send(route: string, call: RouteCall, headers: Readonly<Record<string, string>> = {}) {
  const { path, ...options } = requestOf(call, world.own, world.own);
  const [method = "", pattern = ""] = route.split(" ");
  const answer = await world.api.send(method, path, {
    ...options,
    headers: { ...options.headers, ...headers },
  });
  const operation = world.paths[pattern]?.[method.toLowerCase()];
  const declared = resolved(operation?.responses[String(answer.status)]).headers ?? {};
  return {
    status: answer.status,
    sent: [...answer.headers.keys()].filter((name) => !OF_MESSAGE.has(name)),
    documented: Object.keys(declared).map((name) => name.toLowerCase()),
    what: `${route} ${call.name ?? ""} ${answer.status}`,
    headers: answer.headers,
  };
}

/** Every header that is sent is documented, and what every answer has is both. */
function expectDocumented(
  { sent, documented, what }: Awaited<ReturnType<typeof send>>,
  always: string[],
): void {
  expect(
    sent.filter((name) => !documented.includes(name)),
    what,
  ).toEqual([]);
  expect(
    always.filter((name) => !sent.includes(name)),
    what,
  ).toEqual([]);
}

const withTypo = (path: string): string => `${path}${path.includes("?") ? "&" : "?"}typo=1`;

describe.each(ROUTES)("the headers of %s", (route) => {
  it("are those of the document, at whatever status", async () => {
    for (const call of callsOf(route)) {
      restore();
      expectDocumented(await send(route, call), OF_KNOWN_CALLER);
      const unknown = await send(route, { ...call, path: (of, own) => withTypo(call.path(of, own)) });
      expectDocumented(unknown, OF_KNOWN_CALLER);
    }
  });

  it("are those of the document at 304, 412 and 428", async () => {
    for (const call of callsOf(route))
      for (const tag of ['"1000000"', "*"]) {
        restore();
        expectDocumented(await send(route, call, { "if-none-match": tag }), OF_KNOWN_CALLER);
        expectDocumented(await send(route, { ...call, ifMatch: true }, { "if-match": tag }), OF_KNOWN_CALLER);
      }
  });

  it("have the time to wait at 429, and the rate", async () => {
    const { api, close: end } = await openApi({
      authenticate: () => OPERATOR,
      rateLimits: { read: { perSecond: 1, burst: 1 }, write: { perSecond: 1, burst: 1 } },
      clock: { now: () => 0 },
    });
    const here = world;
    world = { ...here, api };
    try {
      for (const call of callsOf(route)) await send(route, call);
      const refused = await send(route, callsOf(route)[0] as RouteCall);
      expect(refused.status).toBe(429);
      expectDocumented(refused, [...OF_KNOWN_CALLER, "retry-after"]);
    } finally {
      world = here;
      await end();
    }
  });

  it("have the time to wait at 503", async () => {
    authenticate = () => {
      throw new Unavailable("gone");
    };
    const [call] = callsOf(route) as [RouteCall];
    const unavailable = await send(route, call);
    expect(unavailable.status).toBe(503);
    expectDocumented(unavailable, ["x-request-id", "retry-after"]);
  });

  it("name the scope at 403", async () => {
    authenticate = () => callerWith({ scopes: [] });
    const refused = await send(route, callsOf(route)[0] as RouteCall);
    expect(refused.status).toBe(ROUTE_CALLS[route]?.[0] === null ? 200 : 403);
    expectDocumented(refused, OF_KNOWN_CALLER);
  });
});

describe.each(ROUTES.filter((route) => route.startsWith("POST ")))("the headers of %s", (route) => {
  it("are those of the document in an answer that is given again", async () => {
    for (const call of callsOf(route)) {
      restore();
      const key = { "idempotency-key": "8e03978e-40d5-43e8-bc93-6894a57f9324" };
      await send(route, call, key);
      expectDocumented(await send(route, call, key), OF_KNOWN_CALLER);
    }
  });
});

it("documents the rate at every answer to a known caller of every operation below /v1, and nowhere else", () => {
  const all = Object.entries(world.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses }]) =>
      Object.entries(responses).map(([status, answer]) => {
        const { headers = {} } = resolved(answer);
        return { path, method, status, headers };
      }),
    ),
  );
  expect(new Set(all.map(({ path }) => path)).size).toBeGreaterThan(20);
  const wrong = all.filter(({ path, status, headers }) => {
    const isKnown = path.startsWith("/v1/") && !["401", "408", "431"].includes(status);
    return ["RateLimit", "RateLimit-Policy"].some((name) => name in headers !== isKnown);
  });
  expect(wrong).toEqual([]);
  const unwaited = all.filter(
    ({ status, headers }) => ["429", "503"].includes(status) && !("Retry-After" in headers),
  );
  expect(unwaited).toEqual([]);
});

it("documents Idempotency-Replayed at each status that is kept of each route that keeps answers, and nowhere else", () => {
  const kept = /^(?:200|201|400|404|409|410|412|413|415|422|428)$/;
  const wrong = Object.entries(world.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) =>
      Object.entries(operation.responses).flatMap(([status, answer]) => {
        const isKeyed = method === "post" && path !== "/v1/evaluate";
        const { headers = {} } = resolved(answer);
        const isRight = "Idempotency-Replayed" in headers === (isKeyed && kept.test(status));
        return isRight ? [] : `${method} ${path} ${status}`;
      }),
    ),
  );
  expect(wrong).toEqual([]);
});
