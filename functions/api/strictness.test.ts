import { describe, expect, it } from "vitest";
import * as z from "zod";
import { certificateInput } from "../../core/management/certificate-input.ts";
import { StaleRevision } from "../../core/errors.ts";
import { domainInput } from "../../core/management/domain-schema.ts";
import { issuesOf } from "../../core/management/schema-issues.ts";
import { declaredRoutes } from "../../test/support/api-answer.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { loggedPath } from "./api-log.ts";

const DOMAIN = "/v1/domains/example.com";
const HERE = { "If-Match": "*" };
const KEY_AS_TEXT = issueServer({ names: ["mx.example.com"] }).privateKeyPem.replaceAll("\n", " ");

async function recordPaths(api: ApiUnderTest): Promise<{ certificate: string; trustStore: string }> {
  await api.expect(201, "PUT", DOMAIN, { body: {} });
  const body = { source: "self-signed", names: ["mx.example.com"] };
  const certificate = await api.expect(201, "POST", "/v1/certificates", { body });
  const certificatesPem = makeCa().certificatePem;
  const trustStore = await api.expect(201, "POST", "/v1/trust-stores", { body: { certificatesPem } });
  return {
    certificate: `/v1/certificates/${certificate.json.id}`,
    trustStore: `/v1/trust-stores/${trustStore.json.id}`,
  };
}

describe("a query parameter that the route does not declare", () => {
  it("is 400 on every route, and nothing is done", async () => {
    const api = await startApi();
    const { certificate, trustStore } = await recordPaths(api);
    const routes = declaredRoutes(api.app).map(({ method, path }) => ({
      method: method.toUpperCase(),
      path: path
        .replace("{name}", "example.com")
        .replace("/v1/certificates/{id}", certificate)
        .replace("/v1/trust-stores/{id}", trustStore),
    }));
    const documented = [
      ...routes,
      { method: "GET", path: "/openapi.json" },
      { method: "HEAD", path: DOMAIN },
    ];
    const revision = await api.store.head();
    for (const { method, path } of documented) {
      const body = ["PUT", "POST", "PATCH"].includes(method) ? { body: bodyOf(path) } : {};
      const answer = await api.expect(400, method, `${path}?dryRun=true`, { ...body, headers: HERE });
      if (method !== "HEAD") expect(answer.problems, `${method} ${path}`).toContain("unknown-field /dryRun");
    }
    expect(await api.store.head()).toBe(revision);
  });

  const bodyOf = (path: string): unknown => {
    if (path.endsWith("/certificates")) return { source: "self-signed", names: ["mx.example.com"] };
    if (path.endsWith("/material")) {
      const { certificatePem, privateKeyPem } = issueServer({ names: ["mx.example.com"] });
      return { certificatePem, privateKeyPem };
    }
    return path.endsWith("/trust-stores") ? { certificatesPem: makeCa().certificatePem } : {};
  };

  it("is found beside known ones, by its own name, and __proto__ too", async () => {
    const api = await startApi();
    const { json } = await api.expect(400, "GET", "/v1/domains?limit=1&perfix=a&__proto__=1");
    expect(
      json.errors.map((error: { in: string; pointer: string }) => `${error.in} ${error.pointer}`),
    ).toEqual(["query /perfix", "query /__proto__"]);
  });
});

describe("a patch", () => {
  it.each([
    [DOMAIN, { nonsense: null }, "/nonsense"],
    [DOMAIN, { tls: { server: { levle: null } } }, "/tls/server/levle"],
    [DOMAIN, { delivery: { nextHop: "smtp://mail.example.com", port: null } }, "/delivery/port"],
    [`${DOMAIN}/tls`, { clientCertificate: { names: { alowed: null } } }, "/clientCertificate/names/alowed"],
    ["certificate", { lable: null }, "/lable"],
  ])("of %s with the unknown member of %j set to null is 400", async (path, body, pointer) => {
    const api = await startApi();
    const { certificate } = await recordPaths(api);
    const target = path === "certificate" ? certificate : path;
    const { problems } = await api.expect(400, "PATCH", target, { body, headers: HERE });
    expect(problems).toEqual([`unknown-field ${pointer}`]);
  });

  it("may set every member that it knows to null, also of an object that is made by it", async () => {
    const api = await startApi();
    await recordPaths(api);
    const body = { delivery: { nextHop: "smtp://mail.example.com", tls: null }, tls: null, mxHosts: null };
    const { json } = await api.expect(200, "PATCH", DOMAIN, { body, headers: HERE });
    expect(json.delivery).toEqual({ nextHop: "smtp://mail.example.com", tls: "require" });
  });
});

describe("conditions of GET and HEAD", () => {
  it.each([
    [{ "If-None-Match": '"1"' }, 304],
    [{ "If-None-Match": 'W/"1"' }, 304],
    [{ "If-None-Match": "*" }, 304],
    [{ "If-None-Match": '"7",, "1"' }, 304],
    [{ "If-None-Match": '"2"' }, 200],
    [{ "If-Match": '"1"' }, 200],
    [{ "If-Match": "*" }, 200],
    [{ "If-Match": '"2"' }, 412],
    [{ "If-Match": 'W/"1"' }, 412],
    [{ "If-Match": '"2"', "If-None-Match": '"1"' }, 412],
    [{ "If-Match": '"1"', "If-None-Match": '"1"' }, 304],
    [{ "If-None-Match": "1" }, 400],
  ] satisfies [Record<string, string>, number][])("with %j at revision 1 are %i", async (headers, status) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    for (const method of ["GET", "HEAD"])
      for (const path of [DOMAIN, `${DOMAIN}/tls`]) {
        const answer = await api.expect(status, method, path, { headers: { ...headers } });
        expect(answer.headers.get("etag"), `${method} ${path}`).toBe(status === 400 ? null : '"1"');
        if (status === 304) expect(answer.text).toBe("");
      }
    await api.expect(404, "GET", "/v1/domains/absent.example", { headers: { "If-None-Match": "*" } });
  });

  it("hold at every route that answers an ETag", async () => {
    const api = await startApi();
    const { certificate, trustStore } = await recordPaths(api);
    for (const path of [certificate, `${certificate}/chain.pem`, trustStore]) {
      const etag = (await api.expect(200, "GET", path)).headers.get("etag") ?? "";
      await api.expect(304, "GET", path, { headers: { "If-None-Match": etag } });
      await api.expect(412, "GET", path, { headers: { "If-Match": '"999"' } });
    }
  });
});

describe("412 and 428", () => {
  it.each([
    ["PUT", {}, 428],
    ["PUT", { "If-Match": '"9"' }, 412],
    ["PUT", { "If-None-Match": "*" }, 412],
    ["PATCH", {}, 428],
    ["PATCH", { "If-Match": '"9"' }, 412],
    ["DELETE", { "If-Match": ", ," }, 412],
    ["DELETE", {}, 428],
  ] satisfies [string, Record<string, string>, number][])(
    "carry the present ETag: %s with %j",
    async (method, headers, status) => {
      const api = await startApi();
      const { certificate, trustStore } = await recordPaths(api);
      const trust = { certificatesPem: makeCa().certificatePem };
      for (const [path, body] of [
        [DOMAIN, {}],
        [trustStore, trust],
        [certificate, {}],
      ] as const) {
        if (method === "PUT" && path === certificate) continue;
        if (method === "PATCH" && path === trustStore) continue;
        const etag = (await api.expect(200, "GET", path)).headers.get("etag");
        const sent = method === "DELETE" ? {} : { body };
        const answer = await api.expect(status, method, path, { ...sent, headers: { ...headers } });
        expect(answer.headers.get("etag"), path).toBe(etag);
      }
    },
  );

  it("carry it also where someone else writes between reading and storing", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    let isFirst = true;
    const store = new Proxy(api.store, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function") return member;
        if (key !== "commit" || !isFirst) return member.bind(target);
        return async () => {
          isFirst = false;
          await api.expect(200, "PUT", DOMAIN, { body: { mxHosts: ["mx.example.com"] }, headers: HERE });
          throw new StaleRevision("example.com was changed by someone else");
        };
      },
    });
    const late = await startApi({ store });
    const stale = { body: { tls: { enforcement: "defer" } }, headers: { "If-Match": '"1"' } };
    const answer = await late.expect(412, "PATCH", DOMAIN, stale);
    expect(answer.headers.get("etag")).toBe('"2"');
  });
});

describe("a private key in a text", () => {
  it.each([
    ["a key in one line", KEY_AS_TEXT],
    ["a header alone", "-----BEGIN OPENSSH PRIVATE KEY-----"],
    ["an encrypted one", "see -----begin encrypted private key-----"],
  ])("is refused in every label and reason, and not quoted: %s", async (_, text) => {
    const api = await startApi();
    const { certificate, trustStore } = await recordPaths(api);
    const exception = { match: { clientCidr: "192.0.2.0/24" }, level: "accept", reason: text };
    const certificatesPem = makeCa().certificatePem;
    const requests: [string, string, unknown, string][] = [
      ["POST", "/v1/certificates", { source: "self-signed", names: ["a.example"], label: text }, "/label"],
      ["PATCH", certificate, { label: text }, "/label"],
      ["POST", "/v1/trust-stores", { label: text, certificatesPem }, "/label"],
      ["PUT", trustStore, { label: text, certificatesPem }, "/label"],
      ["PUT", DOMAIN, { tls: { exceptions: [exception] } }, "/tls/exceptions/0/reason"],
      ["PATCH", `${DOMAIN}/tls`, { exceptions: [exception] }, "/exceptions/0/reason"],
    ];
    for (const [method, path, body, pointer] of requests) {
      const answer = await api.expect(400, method, path, { body, headers: HERE });
      expect(answer.problems, `${method} ${path}`).toEqual([`invalid-format ${pointer}`]);
      expect(answer.text).not.toContain("BEGIN");
    }
  });
});

describe("mistakes", () => {
  it("over the 50 that are shown are counted", async () => {
    const api = await startApi();
    const unknown = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`field${index}`, 1]));
    const { json } = await api.expect(400, "PUT", DOMAIN, { body: unknown });
    expect(json.errors).toHaveLength(50);
    expect(json.moreErrors).toBe(30);
    expect(json.detail).toContain("30 more");
    const few = await api.expect(400, "PUT", DOMAIN, { body: { a: 1 } });
    expect(few.json).not.toHaveProperty("moreErrors");
  });

  it.each([
    ["query", "GET", "/v1/domains?limit=0", {}, "/limit"],
    ["query", "GET", "/v1/domains?cursor=x", {}, "/cursor"],
    ["query", "PUT", `${DOMAIN}?sharedHosts=1`, { body: {} }, "/sharedHosts"],
    ["path", "GET", "/v1/domains/UPPER", {}, "/name"],
    ["header", "DELETE", DOMAIN, { headers: { "If-Match": "1" } }, "/if-match"],
    ["body", "PUT", DOMAIN, { body: { name: 1 } }, "/name"],
  ] as const)("in the %s say so: %s %s", async (part, method, path, options, pointer) => {
    const api = await startApi();
    const { json } = await api.expect(400, method, path, options);
    expect(json.errors[0]).toMatchObject({ in: part, pointer });
  });

  it.each([
    ["a missing member", certificateInput, { source: "self-signed" }, "is required"],
    ["another type", domainInput, { mxHosts: 1 }, "must be a list"],
    ["another type of object", domainInput, { tls: [] }, "must be an object"],
    ["another type of text", domainInput, { name: 1 }, "must be a string"],
    [
      "another type of switch",
      domainInput,
      { tls: { clientCertificate: { trust: { publicRoots: 1 } } } },
      "must be true or false",
    ],
    [
      "a fraction",
      certificateInput,
      { source: "self-signed", names: ["a.example"], days: 1.5 },
      "must be a whole number",
    ],
    [
      "too small a number",
      certificateInput,
      { source: "self-signed", names: ["a.example"], days: 0 },
      "must be at least 1",
    ],
    [
      "too large a number",
      certificateInput,
      { source: "self-signed", names: ["a.example"], days: 1e6 },
      "must be at most 3650",
    ],
    ["an empty list", certificateInput, { source: "self-signed", names: [] }, "must not be empty"],
    [
      "an empty text",
      certificateInput,
      { source: "pem", certificatePem: "", privateKeyPem: "x" },
      "must not be empty",
    ],
    [
      "too long a text",
      certificateInput,
      { source: "self-signed", names: ["a.example"], label: "x".repeat(201) },
      "must have at most 200 characters",
    ],
    [
      "another value",
      domainInput,
      { tls: { enforcement: "no" } },
      'must be one of "observe", "defer", "reject"',
    ],
    [
      "a literal",
      certificateInput,
      { source: "acm", names: ["a.example"], acceptCharges: false },
      "must be true",
    ],
    [
      "another kind",
      certificateInput,
      { source: "x" },
      'must be one of "self-signed", "pem", "pkcs12", "request", "acme", "acm"',
    ],
    ["an unknown member", domainInput, { x: 1 }, '"x" is not a known field'],
  ])("have our words: %s", (_, schema, document, message) => {
    const { error } = (schema as z.ZodType).safeParse(document);
    expect(error && issuesOf(error).map((issue) => issue.message)).toEqual([message]);
  });

  it("have words for every kind of mistake that zod knows", () => {
    const schema = z.strictObject({
      format: z.string().regex(/^a$/),
      step: z.number().multipleOf(5),
      union: z.union([z.string(), z.number()]),
      custom: z.string().refine(() => false),
      key: z.record(z.string().max(1), z.string()),
      items: z.array(z.string()).min(3),
    });
    const document = { format: "b", step: 3, union: true, custom: "", key: { ab: "" }, items: ["a"] };
    const { error } = schema.safeParse(document);
    expect(error && issuesOf(error).map((issue) => issue.message)).toEqual([
      "has the wrong format",
      "must be a multiple of 5",
      "has none of the forms that are allowed here",
      "has the wrong format",
      "must have at most 1 characters",
      "must have at least 3 items",
    ]);
  });
});

it("a logged path ends with a whole character", () => {
  const logged = loggedPath(`/${"x".repeat(298)}😀`);
  expect(logged.isWellFormed()).toBe(true);
  expect(logged).toHaveLength(299);
});
