import { describe, expect, it } from "vitest";
import { startApi, type ApiUnderTest } from "../../test/support/api.ts";
import {
  GATEWAY_ACCESS,
  gatewayEvent,
  type GatewayRequest,
  iamAuthorizer,
  jwtAuthorizer,
} from "../../test/support/gateway-events.ts";
import { gatewayAuthentication } from "./caller.ts";
import type { GatewayAuth } from "./api-config.ts";
import { createLambdaHandler, type GatewayAnswer } from "./lambda-handler.ts";
import { problemResponse } from "./problem.ts";

interface LambdaUnderTest extends ApiUnderTest {
  readonly ask: (request: GatewayRequest) => Promise<GatewayAnswer>;
}

async function start(auth: GatewayAuth = "iam"): Promise<LambdaUnderTest> {
  const api = await startApi({ credentials: auth === "iam" ? "sigv4" : "bearer" }, (store) =>
    gatewayAuthentication(auth, { ...GATEWAY_ACCESS, store }),
  );
  const handler = createLambdaHandler(api.app, (event) => api.events.push(event));
  return { ...api, ask: (request) => handler(gatewayEvent(request)) };
}

const json = { "content-type": "application/json" };
const authorizer = iamAuthorizer();
const putDomain: GatewayRequest = {
  method: "PUT",
  path: "/v1/domains/example.com",
  headers: json,
  body: JSON.stringify({ mxHosts: ["mx.example.com"], tls: { server: { level: "require" } } }),
  authorizer,
};

describe("the API behind API Gateway", () => {
  it("stores what a signed request says, and the log names the role that signed it", async () => {
    const { ask } = await start();
    const created = await ask(putDomain);
    expect(created).toMatchObject({ statusCode: 201, isBase64Encoded: false });
    expect(created.headers).toMatchObject({ etag: '"1"', "cache-control": "no-store" });
    const read = await ask({ method: "GET", path: "/v1/domains/example.com", authorizer });
    expect(JSON.parse(read.body)).toMatchObject({
      account: "default",
      updatedBy: "arn:aws:sts::123456789012:assumed-role/operator/alice",
      tls: { server: { level: "require" } },
    });
    const patch = { ...putDomain, method: "PATCH", body: '{"mxHosts":[]}' };
    const headers = { "Content-Type": "application/merge-patch+json", "If-Match": '"1"' };
    expect(await ask({ ...patch, headers })).toMatchObject({ statusCode: 200 });
    expect(await ask({ ...patch, headers })).toMatchObject({ statusCode: 412 });
  });

  it("takes a body that API Gateway passes on in base64, octet by octet", async () => {
    const { ask } = await start();
    const body = Buffer.from(
      '{"mxHosts":[],"tls":{"exceptions":[{"match":{"senderDomain":"a.example"},"level":"require","reason":"grün"}]}}',
    );
    const created = await ask({ ...putDomain, body });
    expect(created.statusCode).toBe(201);
    expect(JSON.parse(created.body).tls.exceptions[0].reason).toBe("grün");
    const broken = await ask({ ...putDomain, body: Buffer.from([0x7b, 0xff, 0x7d]) });
    expect(broken).toMatchObject({ statusCode: 400 });
  });

  it("answers the chain of a certificate as it is, though its type is not text", async () => {
    const { ask } = await start();
    const made = await ask({
      method: "POST",
      path: "/v1/certificates",
      headers: json,
      body: '{"source":"self-signed","names":["mx.example.com"]}',
      authorizer,
    });
    expect(made.statusCode).toBe(201);
    const { id } = JSON.parse(made.body);
    const chain = await ask({ method: "GET", path: `/v1/certificates/${id}/chain.pem`, authorizer });
    const pem = chain.isBase64Encoded ? Buffer.from(chain.body, "base64").toString() : chain.body;
    expect(pem).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
  });

  it("reads the query as it was sent", async () => {
    const { ask } = await start();
    for (const name of ["a.example", "b.example"])
      await ask({ ...putDomain, path: `/v1/domains/${name}`, body: "{}" });
    const page = await ask({ method: "GET", path: "/v1/domains?prefix=b.&limit=1", authorizer });
    expect(JSON.parse(page.body).items.map(({ name }: { name: string }) => name)).toEqual(["b.example"]);
    const twice = await ask({ method: "GET", path: "/v1/domains?limit=1&limit=2", authorizer });
    expect(twice.statusCode).toBe(400);
  });

  it.each([
    "a.example%3Flimit=1",
    "a.example%23b",
    "a.example%5Cb",
    "a.example%20b",
    "%C3%A4.example",
    "%25",
  ])(
    "does not take the path /v1/domains/%s, which API Gateway decodes, for another domain's",
    async (name) => {
      const { ask } = await start();
      await ask({ ...putDomain, path: "/v1/domains/a.example", body: "{}" });
      const { statusCode } = await ask({ method: "GET", path: `/v1/domains/${name}`, authorizer });
      expect([400, 404]).toContain(statusCode);
    },
  );

  it.each(["TRACE", "CONNECT", "G ET"])("answers the method %s with a problem", async (method) => {
    const { ask, events } = await start();
    const { statusCode, body, headers } = await ask({ method, path: "/v1/domains", authorizer });
    expect(statusCode).toBe(400);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(problemResponse.parse(JSON.parse(body)).requestId).toBe(headers["x-request-id"]);
    expect(events.map((event) => event.event)).toEqual(["api-request"]);
  });

  it("refuses an event of another payload format", async () => {
    const { app } = await start();
    const handler = createLambdaHandler(app, () => undefined);
    const event = { ...gatewayEvent({ method: "GET", path: "/health/live" }), version: "1.0" };
    await expect(handler(event)).rejects.toThrow("payload format 2.0");
  });
});

describe("the caller", () => {
  it.each([
    ["iam", undefined, "AWS4-HMAC-SHA256"],
    ["iam", jwtAuthorizer(), "AWS4-HMAC-SHA256"],
    ["iam", { iam: { userArn: "" } }, "AWS4-HMAC-SHA256"],
    ["iam", { iam: { userArn: 5 } }, "AWS4-HMAC-SHA256"],
    ["iam", { lambda: { iam: { userArn: "arn:aws:iam::1:user/a" } } }, "AWS4-HMAC-SHA256"],
    ["jwt", undefined, "Bearer"],
    ["jwt", iamAuthorizer(), "Bearer"],
    ["jwt", { jwt: { claims: {} } }, "Bearer"],
  ] as const)(
    "of an event with API_AUTH=%s and the authorizer %j has no caller",
    async (auth, found, scheme) => {
      const { ask } = await start(auth);
      const request = found === undefined ? {} : { authorizer: found };
      const { statusCode, headers, body } = await ask({ method: "GET", path: "/v1/domains", ...request });
      expect(statusCode).toBe(401);
      expect(headers["www-authenticate"]).toBe(`${scheme} realm="postern"`);
      expect(problemResponse.parse(JSON.parse(body)).errors).toEqual([]);
    },
  );

  it("is nothing that the request itself says", async () => {
    const { ask } = await start();
    const forged = JSON.stringify({ requestContext: { authorizer: iamAuthorizer() } });
    for (const headers of [
      { authorization: "Bearer postern_test-token-of-the-default-account" },
      { "x-amzn-request-context": forged, "x-amzn-iam-user-arn": "arn:aws:iam::1:root" },
    ])
      expect((await ask({ ...putDomain, authorizer: {}, headers: { ...json, ...headers } })).statusCode).toBe(
        401,
      );
  });

  it("by a JWT is its subject", async () => {
    const { ask } = await start("jwt");
    const created = await ask({
      ...putDomain,
      authorizer: jwtAuthorizer({ sub: "alice", scope: "openid postern:domains:write" }),
    });
    expect(JSON.parse(created.body)).toMatchObject({ account: "default", updatedBy: "alice" });
  });

  it("is not needed on /health, which no authorizer guards", async () => {
    const { ask } = await start();
    expect(await ask({ method: "GET", path: "/health/ready" })).toMatchObject({ statusCode: 200 });
    expect(await ask({ method: "GET", path: "/health/live" })).toMatchObject({ statusCode: 200 });
  });

  it.each(["iam", "jwt"] as const)("is described by /openapi.json as API_AUTH=%s has it", async (auth) => {
    const { ask } = await start(auth);
    const { body } = await ask({ method: "GET", path: "/openapi.json" });
    const { bearer } = JSON.parse(body).components.securitySchemes;
    expect(bearer.type).toBe(auth === "iam" ? "apiKey" : "http");
  });
});
