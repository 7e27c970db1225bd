import { describe, expect, it } from "vitest";
import { authorizationSchema } from "../../adapters/acme/answers.ts";
import { SqliteIssuanceState } from "../../adapters/local/sqlite-issuance-state.ts";
import { Unavailable } from "../../core/errors.ts";
import type { IssuanceState } from "../../core/store/issuance-state.ts";
import { gatewayEvent } from "../../test/support/gateway-events.ts";
import { startApi } from "../../test/support/api.ts";
import { GATEWAY_ACCESS } from "../../test/support/gateway-events.ts";
import { gatewayAuthentication } from "./caller.ts";
import { createLambdaHandler } from "./lambda-handler.ts";

const TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
const THUMBPRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
const PATH = `/.well-known/acme-challenge/${TOKEN}`;

/** Nothing here writes. */
const unwritten: Pick<IssuanceState, "put" | "delete"> = {
  put: () => Promise.reject(new TypeError("not to be written")),
  delete: () => Promise.reject(new TypeError("not to be written")),
};

/** An API with the key authorization of a token, valid for an hour. */
async function start(keyAuthorization: unknown = `${TOKEN}.${THUMBPRINT}`, token = TOKEN) {
  const api = await startApi({}, (store) => gatewayAuthentication("iam", { ...GATEWAY_ACCESS, store }));
  const state = new SqliteIssuanceState(api.database, api.clock);
  const expiresAtMs = api.clock.now() + 3_600_000;
  await state.put(`token/${token}`, { keyAuthorization }, { expected: null, expiresAtMs });
  const ask = (path: string, method = "GET"): Promise<Response> =>
    Promise.resolve(api.app.request(path, { method }));
  return { ...api, ask };
}

describe("the key authorization of http-01", () => {
  it("is plain text, without credentials, and is never cached", async () => {
    const { ask } = await start();
    const answer = await ask(PATH);
    expect([answer.status, await answer.text()]).toEqual([200, `${TOKEN}.${THUMBPRINT}`]);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("has its headers for HEAD", async () => {
    const { ask } = await start();
    const answer = await ask(PATH, "HEAD");
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain/);
    expect((await ask(`${PATH}x`, "HEAD")).status).toBe(404);
  });

  it("is served for every token that the ACME client takes, the longest too", async () => {
    const longest = "_-".repeat(128);
    const authorization = {
      identifier: { type: "dns", value: "a.example" },
      status: "pending",
      challenges: [{ type: "http-01", url: "https://ca.example/1", status: "pending", token: longest }],
    };
    const taken = authorizationSchema.parse(authorization).challenges.map(({ token }) => token);
    expect(taken).toEqual([longest]);
    const { ask } = await start(`${longest}.${THUMBPRINT}`, longest);
    const answer = await ask(`/.well-known/acme-challenge/${longest}`);
    expect([answer.status, await answer.text()]).toEqual([200, `${longest}.${THUMBPRINT}`]);
  });

  it("is served through API Gateway", async () => {
    const { app } = await start();
    const handler = createLambdaHandler(app, () => undefined);
    expect(await handler(gatewayEvent({ method: "GET", path: PATH }))).toMatchObject({
      statusCode: 200,
      body: `${TOKEN}.${THUMBPRINT}`,
      isBase64Encoded: false,
    });
  });

  it("is not found once its time has ended", async () => {
    const { ask, advance } = await start();
    advance(3_600_001);
    expect((await ask(PATH)).status).toBe(404);
  });

  it.each([
    `${PATH}x`,
    "/.well-known/acme-challenge/",
    "/.well-known/acme-challenge",
    `/.well-known/acme-challenge/${TOKEN}/`,
    `/.well-known/acme-challenge/a/${TOKEN}`,
    `/.well-known/acme-challenge/${TOKEN}%20`,
    `/.well-known/acme-challenge/${TOKEN}%00`,
    `/.well-known/acme-challenge/${TOKEN}=`,
    "/.well-known/acme-challenge/..%2ftoken",
    "/.well-known/acme-challenge/%2e%2e",
    "/.well-known/acme-challenge/t%C3%B6ken",
    `/.well-known/acme-challenge/${"a".repeat(257)}`,
    "/.well-known/other",
  ])("is not at %s: the answer is that of any unknown path", async (path) => {
    const { ask } = await start();
    const [answer, unknown] = await Promise.all([ask(path), ask("/nothing")]);
    const withoutId = async (response: Response): Promise<unknown> => {
      const body = (await response.json()) as Record<string, unknown>;
      return { ...body, requestId: null };
    };
    expect(answer.status).toBe(404);
    expect(await withoutId(answer)).toEqual(await withoutId(unknown));
    expect(answer.headers.get("content-type")).toBe(unknown.headers.get("content-type"));
  });

  it.each<[string, unknown]>([
    ["of another token", `other.${THUMBPRINT}`],
    ["without a thumbprint", TOKEN],
    ["with a page in it", `${TOKEN}.<script>alert(1)</script>`],
    ["of another type", { html: "x" }],
  ])("is not found when the stored one is %s", async (_, stored) => {
    const { ask } = await start(stored);
    expect((await ask(PATH)).status).toBe(404);
  });

  it("costs one read of the store, and none for what cannot be a token", async () => {
    const asked: string[] = [];
    const issuanceState: IssuanceState = {
      ...unwritten,
      get: async (name) => {
        asked.push(name);
        return null;
      },
    };
    const { app } = await startApi({ issuanceState });
    for (const token of [TOKEN, "a".repeat(256), "a".repeat(257), "a%2Fb", "a.b"])
      expect((await app.request(`/.well-known/acme-challenge/${token}`)).status).toBe(404);
    expect(asked).toEqual([`token/${TOKEN}`, `token/${"a".repeat(256)}`]);
  });

  it("is unavailable while the store is: a CA asks again", async () => {
    const issuanceState: IssuanceState = {
      ...unwritten,
      get: async () => {
        throw new Unavailable("the store does not answer");
      },
    };
    const { app } = await startApi({ issuanceState });
    expect((await app.request(PATH)).status).toBe(503);
  });

  it("can only be read, and the path has no query", async () => {
    const { ask } = await start();
    const answer = await ask(PATH, "POST");
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await ask(`${PATH}?a=1`)).status).toBe(400);
  });

  it("leaves no token in the log", async () => {
    const { ask, events } = await start();
    for (const method of ["GET", "HEAD", "POST"]) await ask(PATH, method);
    await ask(`${PATH}/`);
    expect(JSON.stringify(events)).not.toContain(TOKEN);
    expect(events).toMatchObject([{ path: "/.well-known/acme-challenge/{token}", status: 200 }, {}, {}, {}]);
  });
});
