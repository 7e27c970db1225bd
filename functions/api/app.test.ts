import { describe, expect, it } from "vitest";
import { declaredRoutes } from "../../test/support/api-answer.ts";
import { type ApiUnderTest, type RequestOptions, startApi, TOKEN } from "../../test/support/api.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { Unavailable } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import type { Store } from "../../core/store/store.ts";

const DOMAIN = "/v1/domains/example.com";

const CERTIFICATE = "cert_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const TRUST_STORE = "trust_01ARZ3NDEKTSV4RRFFQ69G5FAV";
/** Ids by a part of the path that takes them. */
const ID_OF = [
  ["trust-stores", TRUST_STORE],
  ["tokens", "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV"],
] as const;
const ca = makeCa();

/** Requests with every parameter filled in, one for each route that the document declares. */
function everyRequest(
  api: ApiUnderTest,
): { method: string; path: string; needsToken: boolean; takesBody: boolean }[] {
  return declaredRoutes(api.app).map(({ method, path, takesBody }) => ({
    takesBody,
    method: method.toUpperCase(),
    path: path
      .replace("{name}", "example.com")
      .replace("{account}", "acme")
      .replace("{revision}", "1")
      .replace("{arn}", encodeURIComponent("arn:aws:iam::123456789012:role/deploy"))
      .replace("{id}", ID_OF.find(([part]) => path.includes(part))?.[1] ?? CERTIFICATE),
    needsToken: path.startsWith("/v1/"),
  }));
}

const asksStore = ({ path }: { readonly path: string }): boolean =>
  path !== "/health/live" && path !== "/v1/whoami";

/** Stores of which every method fails in this way. */
function failing(error: Error): { readonly store: Store; readonly access: AccessStore } {
  const get = () => async () => {
    throw error;
  };
  return { store: new Proxy({} as Store, { get }), access: new Proxy({} as AccessStore, { get }) };
}

/** The store is asked for edges where one reports a certificate. */
const reportEdge = ({ edgeReports, ids }: ApiUnderTest): Promise<void> => {
  const notAfter = "2027-01-01T00:00:00.000Z";
  return edgeReports.report({
    id: ids.edge(),
    release: "0.1.0",
    listeners: [],
    revision: 3,
    certificates: [
      { certificateId: ids.certificate(), version: 1, fingerprintsSha256: [], notAfter, problem: null },
    ],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 0,
  });
};

describe("every route", () => {
  it("of this list is there, and no other", async () => {
    const api = await startApi();
    const routes = declaredRoutes(api.app).map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(routes.toSorted()).toEqual(
      [
        "GET /health/live",
        "GET /health/ready",
        "GET /v1/certificates",
        "POST /v1/certificates",
        "GET /v1/certificates/{id}",
        "PATCH /v1/certificates/{id}",
        "DELETE /v1/certificates/{id}",
        "GET /v1/certificates/{id}/chain.pem",
        "GET /v1/certificates/{id}/csr.pem",
        "PUT /v1/certificates/{id}/material",
        "POST /v1/certificates/{id}/next-key",
        "DELETE /v1/certificates/{id}/next-key",
        "POST /v1/certificates/{id}/renew",
        "POST /v1/certificates/{id}/rollback",
        "POST /v1/certificates/{id}/rotate",
        "GET /v1/certificates/{id}/status",
        "GET /v1/certificates/{id}/versions",
        "POST /v1/evaluate",
        "GET /v1/whoami",
        "GET /v1/tokens",
        "POST /v1/tokens",
        "GET /v1/tokens/{id}",
        "DELETE /v1/tokens/{id}",
        "GET /v1/accounts",
        "GET /v1/accounts/{account}",
        "PUT /v1/accounts/{account}",
        "DELETE /v1/accounts/{account}",
        "GET /v1/principals",
        "GET /v1/principals/{arn}",
        "PUT /v1/principals/{arn}",
        "DELETE /v1/principals/{arn}",
        "POST /v1/domains:batch",
        "GET /v1/changes",
        "POST /v1/changes/{revision}/revert",
        "GET /v1/domains",
        "GET /v1/domains/{name}",
        "PUT /v1/domains/{name}",
        "PATCH /v1/domains/{name}",
        "DELETE /v1/domains/{name}",
        "POST /v1/domains/{name}/confirm",
        "POST /v1/domains/{name}/verify",
        "GET /v1/domains/{name}/status",
        "GET /v1/domains/{name}/tls",
        "PUT /v1/domains/{name}/tls",
        "PATCH /v1/domains/{name}/tls",
        "GET /v1/edges",
        "GET /v1/trust-stores",
        "POST /v1/trust-stores",
        "GET /v1/trust-stores/{id}",
        "PUT /v1/trust-stores/{id}",
        "DELETE /v1/trust-stores/{id}",
        "POST /v1/trust-stores/{id}/restore",
      ].toSorted(),
    );
  });

  // `send` throws on an error body that is no problem document, and on one that says another status or
  // request id.
  it.each([
    ["no token", 401, { token: null }],
    ["a token that is wrong", 401, { token: `${TOKEN}x` }],
    ["a scheme that is another", 401, { token: null, headers: { authorization: `Basic ${TOKEN}` } }],
  ] satisfies [string, number, RequestOptions][])("answers a problem to %s", async (_, status, options) => {
    const api = await startApi();
    for (const { method, path } of everyRequest(api).filter(({ needsToken }) => needsToken)) {
      // Each in another window of the limit on attempts.
      api.advance(61_000);
      const answer = await api.expect(status, method, path, options);
      // Past the window in which failed attempts are counted.
      api.advance(3600 * 1000);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer realm="postern"/);
    }
  });

  it.each([
    ["an empty body", 400, { rawBody: "" }],
    ["no JSON", 400, { rawBody: "{" }],
    ["a duplicate key", 400, { rawBody: '{"a":1,"a":1}' }],
    ["__proto__", 400, { rawBody: '{"__proto__":{"level":"none"}}' }],
    ["an unknown field", 400, { body: { nonsense: 1 } }],
    ["a list", 400, { body: [] }],
    ["null", 400, { body: null }],
    ["depth", 400, { rawBody: "[".repeat(100_000) }],
    ["invalid UTF-8", 400, { rawBody: Uint8Array.of(0x7b, 0xff, 0x7d) }],
    ["another media type", 415, { rawBody: "{}", headers: { "content-type": "text/plain" } }],
    [
      "another charset",
      415,
      { rawBody: "{}", headers: { "content-type": "application/json; charset=utf-16" } },
    ],
    ["over 1 MB", 413, { rawBody: " ".repeat(CAPS.requestBytes + 1) }],
  ] satisfies [string, number, RequestOptions][])(
    "that takes a body answers a problem to %s",
    async (_, status, options) => {
      const api = await startApi();
      const id = await idsOf(api);
      for (const { method, path } of everyRequest(api).filter((each) => each.takesBody)) {
        const here = path.replace(CERTIFICATE, id.certificate).replace(TRUST_STORE, id.trustStore);
        await api.expect(status, method, here, {
          ...options,
          headers: { "If-Match": "*", ...headersOf(options) },
        });
      }
    },
  );

  it("that declares no body ignores one of any form, as DELETE does", async () => {
    const api = await startApi();
    const id = await idsOf(api);
    const path = `/v1/certificates/${id.certificate}`;
    const headers = { "If-Match": "*" };
    const bodyless = everyRequest(api).filter(({ method, takesBody }) => method === "POST" && !takesBody);
    const last = (each: { readonly path: string }) => each.path.split("/").at(-1);
    expect(bodyless.map(last)).toEqual(["verify", "confirm", "next-key", "rotate", "renew", "revert"]);
    const options = { rawBody: "{", headers: { ...headers, "content-type": "text/plain" } };
    for (const { method, path: declared } of bodyless.slice(0, -1)) {
      const here = declared.replace(CERTIFICATE, id.certificate);
      const { json } = await api.expect(200, method, here, options);
      expect(json.id ?? json.name).toBe(here.includes(id.certificate) ? id.certificate : "example.com");
    }
    const { json } = await api.expect(200, "DELETE", `${path}/next-key`, { body: { a: 1 }, headers });
    expect(json.nextKeys).toEqual([]);
    const created = await api.expect(200, "GET", `/v1/changes?resource=trust-store/${id.trustStore}`);
    await api.expect(200, "POST", `/v1/changes/${created.json.items[0].revision}/revert`, options);
  });

  it("answers 500 without a word of the cause, which the log has", async () => {
    const api = await startApi(failing(new Error("the disk at 10.0.0.7 is gone")));
    await reportEdge(api);
    for (const { method, path, takesBody } of everyRequest(api).filter(asksStore)) {
      const { text } = await api.expect(500, method, path, takesBody ? bodyFor(path) : {});
      expect(text).not.toContain("disk");
    }
    const logged = api.events.filter(({ event }) => event === "api-error");
    expect(logged).toHaveLength(everyRequest(api).filter(asksStore).length);
    for (const event of logged) expect(JSON.stringify(event)).toContain("the disk at 10.0.0.7 is gone");
  });

  it("answers 503 with Retry-After while the store does not", async () => {
    const api = await startApi(failing(new Unavailable("timeout at 10.0.0.7")));
    await reportEdge(api);
    for (const { method, path, takesBody } of everyRequest(api).filter(asksStore)) {
      const { text, headers } = await api.expect(503, method, path, takesBody ? bodyFor(path) : {});
      expect(headers.get("retry-after")).toBe("1");
      expect(text).not.toContain("10.0.0.7");
    }
  });

  it("answers HEAD as GET, without a body", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const head = await api.expect(200, "HEAD", DOMAIN);
    expect(head.text).toBe("");
    expect(head.headers.get("etag")).toBe('"1"');
    expect((await api.expect(404, "HEAD", "/v1/domains/absent.example")).text).toBe("");
    expect((await api.expect(401, "HEAD", DOMAIN, { token: null })).text).toBe("");
  });
});

async function idsOf(api: ApiUnderTest): Promise<{ certificate: string; trustStore: string }> {
  await api.expect(201, "PUT", DOMAIN, { body: {} });
  const body = { source: "self-signed", names: ["mx.example.com"] };
  const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
  const chain = await api.expect(200, "GET", `/v1/certificates/${json.id}/chain.pem`);
  const trust = await api.expect(201, "POST", "/v1/trust-stores", { body: { certificatesPem: chain.text } });
  return { certificate: json.id, trustStore: trust.json.id };
}

const headersOf = (options: RequestOptions): Readonly<Record<string, string>> => options.headers ?? {};

/** A document that the route's schema takes. */
function bodyFor(path: string): RequestOptions {
  const server = issueServer({ names: ["mx.example.com"] });
  if (path.endsWith("/certificates")) return { body: { source: "self-signed", names: ["mx.example.com"] } };
  if (path.endsWith("/material"))
    return { body: { certificatePem: server.certificatePem, privateKeyPem: server.privateKeyPem } };
  if (path.endsWith("/rollback")) return { body: { version: 1 } };
  if (path.endsWith("/restore")) return { body: { revision: 1 } };
  if (path.endsWith("/tokens") || path.includes("/principals/")) return { body: { scopes: ["evaluate"] } };
  if (path.endsWith(":batch")) return { body: { items: [{ name: "a.example", put: {} }] } };
  if (path.endsWith("/evaluate"))
    return { body: { clientAddress: "192.0.2.1", mailFrom: "", rcptTo: "a@example.com" } };
  return { body: path.includes("trust-stores") ? { certificatesPem: ca.certificatePem } : {} };
}

describe("paths that there are not", () => {
  it.each([
    ["GET", "/"],
    ["GET", "/v1"],
    ["GET", "/v1/"],
    ["GET", "/v1/domain"],
    ["GET", "/v1/domains/"],
    ["POST", "/v1/domains:"],
    ["GET", `${DOMAIN}/tls/server`],
    ["GET", "/v1/evaluations"],
    ["GET", "/docs"],
    ["GET", "/health"],
    ["GET", "/V1/domains"],
  ])("%s %s is 404", async (method, path) => {
    const api = await startApi();
    await api.expect(404, method, path);
  });

  it("need a token below /v1 all the same", async () => {
    const api = await startApi();
    await api.expect(401, "GET", "/v1/nothing", { token: null });
    await api.expect(404, "GET", "/nothing", { token: null });
  });

  it.each([
    ["POST", "/v1/domains", "GET, HEAD"],
    ["POST", DOMAIN, "DELETE, GET, HEAD, PATCH, PUT"],
    ["DELETE", `${DOMAIN}/tls`, "GET, HEAD, PATCH, PUT"],
    ["PUT", `${DOMAIN}/status`, "GET, HEAD"],
    ["PUT", "/v1/certificates/cert_x", "DELETE, GET, HEAD, PATCH"],
    ["GET", "/v1/certificates/cert_x/material", "PUT"],
    ["GET", "/v1/certificates/cert_x/rollback", "POST"],
    ["PUT", "/v1/certificates/cert_x/next-key", "DELETE, POST"],
    ["PATCH", "/v1/trust-stores/trust_x", "DELETE, GET, HEAD, PUT"],
    ["POST", "/health/live", "GET, HEAD"],
    ["POST", "/openapi.json", "GET, HEAD"],
    ["OPTIONS", "/v1/domains", "GET, HEAD"],
  ])("%s %s is 405 and names %s", async (method, path, allow) => {
    const api = await startApi();
    expect((await api.expect(405, method, path)).headers.get("allow")).toBe(allow);
  });

  it.each([
    ["Postern-Account", "unknown"],
    ["Postern-Account", "-malformed-"],
    ["If-None-Match", "malformed"],
    ["If-Match", '"17"'],
    ["Idempotency-Key", '"'],
    ["Content-Type", "text/plain"],
  ])("decides 404 and 405 before it reads the rest of the request, such as %s: %s", async (name, value) => {
    const api = await startApi();
    const headers = { [name]: value };
    for (const method of ["GET", "POST", "OPTIONS"]) {
      await api.expect(404, method, "/v1/absent?dryRun=true", { headers });
      await api.expect(405, method, "/v1/certificates/cert_1/material?dryRun=true", { headers });
    }
  });
});

describe("a request", () => {
  it("has our own id in the answer and in one log event, for any id that the client sent", async () => {
    const api = await startApi();
    const headers = { "X-Request-Id": "from-the-client" };
    const first = await api.expect(200, "GET", "/v1/domains", { headers });
    const second = await api.expect(200, "GET", "/v1/domains", {
      headers: { "X-Request-Id": "x".repeat(101) },
    });
    const third = await api.expect(200, "GET", "/v1/domains", { headers: { "X-Request-Id": 'a"b c' } });
    const ids = [first, second, third].map((answer) => answer.headers.get("x-request-id"));
    expect(new Set(ids).size).toBe(3);
    expect(api.events).toMatchObject([
      {
        event: "api-request",
        requestId: ids[0],
        clientRequestId: "from-the-client",
        method: "GET",
        path: "/v1/domains",
        status: 200,
        account: "default",
        actor: "tester",
      },
      { requestId: ids[1], clientRequestId: null },
      { requestId: ids[2], clientRequestId: null },
    ]);
  });

  it("leaves neither its token nor its query in the log", async () => {
    const api = await startApi();
    await api.send("GET", `/v1/domains?access_token=${TOKEN}`);
    await api.send("GET", "/v1/domains", { token: `${TOKEN}wrong` });
    expect(JSON.stringify(api.events)).not.toContain(TOKEN);
  });

  it("that fails leaves no PEM in the log", async () => {
    const pem =
      "-----BEGIN PRIVATE KEY-----\nTUlHSEFnRUFNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VIQkcwd2F3SUJBUVFn\n-----END PRIVATE KEY-----";
    const cause = new Error(`half of it: ${pem.split("\n")[1] ?? ""}`);
    const api = await startApi(failing(new Error(`bad input ${pem}`, { cause })));
    await api.expect(500, "GET", "/v1/domains");
    const logged = JSON.stringify(api.events);
    expect(logged).toContain("bad input [PEM]");
    expect(logged).toContain("half of it: [base64]");
    expect(logged).not.toContain("TUlHSEFn");
  });
});

describe("health", () => {
  it("is live and ready without a token", async () => {
    const api = await startApi();
    expect((await api.expect(200, "GET", "/health/live", { token: null })).json).toEqual({ status: "live" });
    expect((await api.expect(200, "GET", "/health/ready", { token: null })).json).toEqual({
      status: "ready",
    });
  });

  it("is not ready while something else is not", async () => {
    let problem: string | null = "no listener is bound";
    const api = await startApi({ readiness: () => problem });
    const { headers } = await api.expect(503, "GET", "/health/ready", { token: null });
    expect(headers.get("retry-after")).toBe("1");
    problem = null;
    await api.expect(200, "GET", "/health/ready", { token: null });
  });

  it("is not ready, and says so in time, while the store hangs", async () => {
    const hanging = new Proxy({} as Store, { get: () => () => new Promise(() => {}) });
    const api = await startApi({ store: hanging });
    await api.expect(200, "GET", "/health/live", { token: null });
    await api.expect(503, "GET", "/health/ready", { token: null });
  });
});

describe("the OpenAPI document", () => {
  it("is 3.1, needs no token, and declares what the routes are", async () => {
    const api = await startApi();
    const response = await api.app.request("/openapi.json");
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const document = JSON.parse(await response.text());
    expect(document.openapi).toBe("3.1.0");
    const declared = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(Object(item)).map((method) => `${method} ${path}`),
    );
    expect(declared.toSorted()).toEqual(
      declaredRoutes(api.app)
        .map(({ method, path }) => `${method} ${path}`)
        .toSorted(),
    );
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, kind = "", name = ""] of references) expect(document.components[kind]).toHaveProperty(name);
  });

  it("declares no answer with a private key or a passphrase in it", async () => {
    const api = await startApi();
    const document = JSON.parse(await (await api.app.request("/openapi.json")).text());
    const answers = JSON.stringify([
      Object.values(document.paths).flatMap((item) =>
        Object.values(Object(item)).map((each) => Object(each).responses),
      ),
      Object.entries(document.components.schemas).filter(([name]) => !name.endsWith("Input")),
    ]);
    // Names of members: codes of mistakes may speak of both.
    const names = [...answers.matchAll(/"(\w+)":/g)].map(([, name = ""]) => name);
    expect(names.filter((name) => /privateKey|passphrase/i.test(name))).toEqual([]);
  });
});
