import { describe, expect, it } from "vitest";
import { type ApiUnderTest, callerWith, OTHER_TOKEN, startApi, TOKEN } from "../../test/support/api.ts";
import { bearerAuthentication } from "./caller.ts";

const LIMITS = { read: { perSecond: 2, burst: 3 }, write: { perSecond: 1, burst: 2 } };
const POLICY = '"read";q=3;w=2, "write";q=2;w=2';
const DOMAIN = "/v1/domains/a.example";

/** With a clock that stands still until `advance`. */
const limited = async (): Promise<ApiUnderTest> => {
  const start = Date.now();
  let now = start;
  const api = await startApi({ rateLimits: LIMITS, clock: { now: () => now } });
  return { ...api, advance: (ms) => (now += ms) };
};

const rateOf = ({ headers }: { readonly headers: Headers }) => [
  headers.get("ratelimit-policy"),
  headers.get("ratelimit"),
  headers.get("retry-after"),
];

describe("the rate of a caller", () => {
  it("is shown by every answer, whatever its status", async () => {
    const api = await limited();
    const read = await api.expect(404, "GET", DOMAIN);
    expect(rateOf(read)).toEqual([POLICY, '"read";r=2;t=1', null]);
    const written = await api.expect(201, "PUT", DOMAIN, { body: {} });
    expect(rateOf(written)).toEqual([POLICY, '"write";r=1;t=1', null]);
    const etag = written.headers.get("etag") ?? "";
    const unchanged = await api.expect(304, "GET", DOMAIN, { headers: { "If-None-Match": etag } });
    expect(rateOf(unchanged)).toEqual([POLICY, '"read";r=1;t=1', null]);
    expect(rateOf(await api.expect(400, "PUT", DOMAIN, { body: { x: 1 } }))[1]).toBe('"write";r=0;t=2');
  });

  it("is 429 with the time to wait when the burst is used, and allows again after that time", async () => {
    const api = await limited();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await api.expect(428, "PUT", DOMAIN, { body: {} });
    const refused = await api.expect(429, "PUT", "/v1/domains/b.example", { body: {} });
    expect(refused.json.type).toBe("urn:postern:problem:rate-limited");
    expect(rateOf(refused)).toEqual([POLICY, '"write";r=0;t=2', "1"]);
    await api.expect(200, "GET", DOMAIN);
    await api.expect(404, "GET", "/v1/domains/b.example");
    api.advance(1_000);
    await api.expect(201, "PUT", "/v1/domains/b.example", { body: {} });
    expect(api.events.filter(({ event }) => event === "api-request")).toContainEqual(
      expect.objectContaining({ status: 429, actor: "tester" }),
    );
  });

  it("is judged before the scope, and before the body is read", async () => {
    const caller = callerWith({ scopes: ["domains:read"] });
    const api = await startApi({ rateLimits: LIMITS, clock: { now: () => 0 }, authenticate: () => caller });
    for (const status of [403, 403, 429]) await api.expect(status, "PUT", DOMAIN, { body: {} });
    const request = new Request(`http://api.example${DOMAIN}`, { method: "PUT", body: "{" });
    const response = await api.app.request(request);
    expect([response.status, request.bodyUsed]).toEqual([429, false]);
  });

  it("is that of one caller: others of its account, and other accounts, have theirs", async () => {
    const api = await limited();
    for (const status of [201, 428, 429]) await api.expect(status, "PUT", DOMAIN, { body: {} });
    await api.expect(409, "PUT", DOMAIN, { body: {}, token: OTHER_TOKEN });
  });

  it("is the caller's own in whatever account an operator acts", async () => {
    const api = await limited();
    await api.expect(201, "PUT", "/v1/accounts/acme", { body: {} });
    const headers = { "Postern-Account": "acme" };
    await api.expect(201, "PUT", DOMAIN, { body: {}, headers });
    await api.expect(429, "PUT", "/v1/domains/b.example", { body: {}, headers });
  });

  it("counts a batch as one write, and an evaluation as a read", async () => {
    const api = await limited();
    const items = Array.from({ length: 100 }, (_, n) => ({ name: `d${n}.example`, put: {} }));
    const batch = await api.expect(200, "POST", "/v1/domains:batch", { body: { items } });
    expect(batch.headers.get("ratelimit")).toBe('"write";r=1;t=1');
    const body = { clientAddress: "192.0.2.1", mailFrom: "a@sender.example", rcptTo: "a@d1.example" };
    const evaluated = await api.expect(200, "POST", "/v1/evaluate", { body });
    expect(evaluated.headers.get("ratelimit")).toBe('"read";r=2;t=1');
  });

  it("has no limit for API_TOKEN, and none on the routes outside of /v1", async () => {
    const actor = { ...callerWith({ scopes: ["operator"] }), kind: "api-token" } as const;
    const api = await startApi({
      rateLimits: LIMITS,
      authenticate: bearerAuthentication([{ token: TOKEN, actor }], Date.now),
    });
    for (let n = 0; n < 5; n += 1) {
      const answer = await api.expect(404, "GET", DOMAIN);
      expect(rateOf(answer)).toEqual([null, null, null]);
      await api.expect(200, "GET", "/health/live");
    }
  });
});
