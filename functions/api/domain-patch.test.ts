import { describe, expect, it } from "vitest";
import { startApi } from "../../test/support/api.ts";
import { DEFAULT_TLS } from "../../test/support/records.ts";

const DOMAIN = "/v1/domains/example.com";
const HERE = { headers: { "If-Match": "*" } };
const at = (revision: number) => ({ headers: { "If-Match": `"${revision}"` } });

describe("conditions", () => {
  it.each([
    ["PUT", {}, 428],
    ["PUT", { "If-Match": '"2"' }, 412],
    ["PUT", { "If-Match": 'W/"1"' }, 412],
    ["PUT", { "If-None-Match": "*" }, 412],
    ["PUT", { "If-None-Match": '"5"' }, 428],
    ["PUT", { "If-Match": "1" }, 400],
    ["PUT", { "If-Match": '"1"' }, 200],
    ["PUT", { "If-Match": '"7", "1"' }, 200],
    ["PUT", { "If-Match": "*" }, 200],
    ["PATCH", {}, 428],
    ["PATCH", { "If-Match": '"2"' }, 412],
    ["PATCH", { "If-Match": '"1"' }, 200],
    ["PATCH", { "If-Match": "*" }, 200],
    ["DELETE", {}, 428],
    ["DELETE", { "If-Match": '"2"' }, 412],
    ["DELETE", { "If-Match": '"1"' }, 204],
    ["DELETE", { "If-Match": "*" }, 204],
  ])("of a domain at revision 1: %s with %j is %i", async (method, headers, status) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const body = method === "DELETE" ? {} : { body: {} };
    await api.expect(status, method, DOMAIN, {
      ...body,
      headers: Object.fromEntries(Object.entries(headers)),
    });
  });

  it.each([
    ["PUT", DOMAIN, {}, 201],
    ["PUT", DOMAIN, { "If-None-Match": "*" }, 201],
    ["PUT", DOMAIN, { "If-Match": "*" }, 412],
    ["PUT", DOMAIN, { "If-Match": '"1"' }, 412],
    ["PATCH", DOMAIN, { "If-Match": "*" }, 404],
    ["PATCH", DOMAIN, {}, 404],
    ["DELETE", DOMAIN, { "If-Match": "*" }, 404],
    ["DELETE", DOMAIN, {}, 404],
    ["GET", DOMAIN, {}, 404],
    ["GET", `${DOMAIN}/tls`, {}, 404],
    ["PUT", `${DOMAIN}/tls`, {}, 404],
    ["PUT", `${DOMAIN}/tls`, { "If-None-Match": "*" }, 404],
    ["PATCH", `${DOMAIN}/tls`, { "If-Match": "*" }, 404],
  ])("of an absent domain: %s of %s with %j is %i", async (method, path, headers, status) => {
    const api = await startApi();
    const body = method === "PUT" || method === "PATCH" ? { body: {} } : {};
    await api.expect(status, method, path, { ...body, headers: Object.fromEntries(Object.entries(headers)) });
  });

  it("let one of two writers of the same revision through, and both of two that mean any", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const patch = (enforcement: string, match: string) =>
      api.send("PATCH", DOMAIN, { body: { tls: { enforcement } }, headers: { "If-Match": match } });
    const named = await Promise.all([patch("defer", '"1"'), patch("observe", '"1"')]);
    expect(named.map(({ status }) => `${status}`).toSorted()).toEqual(["200", "412"]);
    const any = await Promise.all([patch("defer", "*"), patch("observe", "*")]);
    expect(any.map(({ status }) => status)).toEqual([200, 200]);
  });

  it("let one of two creators through; the other hears that a condition is needed now", async () => {
    const api = await startApi();
    const both = await Promise.all([
      api.send("PUT", DOMAIN, { body: {} }),
      api.send("PUT", DOMAIN, { body: {} }),
    ]);
    expect(both.map(({ status }) => `${status}`).toSorted()).toEqual(["201", "428"]);
  });

  it("are one and the same for a domain and its tls part", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const put = await api.expect(200, "PUT", `${DOMAIN}/tls`, { body: { enforcement: "defer" }, ...at(1) });
    expect(put.headers.get("etag")).toBe('"2"');
    await api.expect(412, "PUT", `${DOMAIN}/tls`, { body: {}, ...at(1) });
    const patched = await api.expect(200, "PATCH", DOMAIN, {
      body: { mxHosts: ["mx.example.com"] },
      ...at(2),
    });
    expect(patched.json.tls.enforcement).toBe("defer");
    const read = await api.expect(200, "GET", `${DOMAIN}/tls`);
    expect(read.headers.get("etag")).toBe('"3"');
    expect(read.json).toEqual({ ...DEFAULT_TLS, enforcement: "defer" });
  });
});

describe("PATCH of a domain", () => {
  const FULL = {
    mxHosts: ["mx.example.com"],
    tls: {
      server: { level: "require", minVersion: "TLSv1.3" },
      clientCertificate: {
        mode: "request",
        names: { match: "list", allowed: ["a.example"] },
        purpose: "clientAuth",
      },
      enforcement: "defer",
      exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, level: "require", reason: "a customer" }],
    },
    delivery: { nextHop: "smtp://mail.example.com", tls: "require" },
  };

  it.each([
    [{ mxHosts: ["mx2.example.com"] }, { ...FULL, mxHosts: ["mx2.example.com"] }],
    [{ delivery: null }, { ...FULL, delivery: null }],
    [
      { tls: { server: { minVersion: null } } },
      { ...FULL, tls: { ...FULL.tls, server: { level: "require", minVersion: "TLSv1.2" } } },
    ],
    [{ tls: { exceptions: null } }, { ...FULL, tls: { ...FULL.tls, exceptions: [] } }],
    [{ tls: { enforcement: "observe" } }, { ...FULL, tls: { ...FULL.tls, enforcement: "observe" } }],
  ])("with %j changes what it names and nothing else", async (body, expected) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: FULL });
    const { json } = await api.expect(200, "PATCH", DOMAIN, { body, ...at(1) });
    expect(json).toMatchObject(expected);
    expect(json.revision).toBe(2);
    expect((await api.expect(200, "GET", DOMAIN)).json).toEqual(json);
  });

  it.each([{}, { revision: 40, account: null, warnings: [] }, { tls: { enforcement: "defer" } }, FULL])(
    "with %j leaves everything as it is, the revision too",
    async (body) => {
      const api = await startApi();
      const created = await api.expect(201, "PUT", DOMAIN, { body: FULL });
      const { json } = await api.expect(200, "PATCH", DOMAIN, { body, ...at(1) });
      expect(json).toEqual(created.json);
    },
  );

  it.each([
    [
      { server: { minVersion: "TLSv1.2" } },
      { ...FULL.tls, server: { level: "require", minVersion: "TLSv1.2" } },
    ],
    [
      { enforcement: null, revision: 7 },
      { ...FULL.tls, enforcement: "reject" },
    ],
  ])("of its tls part with %j changes what it names and nothing else", async (body, expected) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: FULL });
    const { json } = await api.expect(200, "PATCH", `${DOMAIN}/tls`, { body, ...at(1) });
    expect(json).toMatchObject(expected);
    expect((await api.expect(200, "GET", DOMAIN)).json).toMatchObject({ ...FULL, tls: expected });
  });

  it.each([
    ["an unknown field", { tsl: {} }, 400, ["unknown-field /tsl"]],
    ["__proto__", JSON.parse('{"__proto__":{"level":"none"}}'), 400, ["unknown-field /__proto__"]],
    [
      "a level that there is not",
      { tls: { server: { level: 1 } } },
      400,
      ["invalid-value /tls/server/level"],
    ],
    ["another name", { name: "example.org" }, 400, ["name-differs /name"]],
    ["a list for an object", { tls: [] }, 400, ["invalid-type /tls"]],
    ["what the result forbids", { tls: { server: { level: "none" } } }, 422, undefined],
    ["no host left for what needs one", { mxHosts: [] }, 422, undefined],
  ])("refuses %s", async (_, body, status, problems) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: FULL });
    const refused = await api.expect(status, "PATCH", DOMAIN, {
      rawBody: JSON.stringify(body),
      headers: { "If-Match": "*", "content-type": "application/merge-patch+json" },
    });
    if (problems !== undefined) expect(refused.problems).toEqual(problems);
    expect((await api.expect(200, "GET", DOMAIN)).json.revision).toBe(1);
  });

  it.each(["[]", "null", '"x"', "1"])("refuses the patch %s, which is no object", async (rawBody) => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const headers = { "If-Match": "*", "content-type": "application/merge-patch+json" };
    await api.expect(400, "PATCH", DOMAIN, { rawBody, headers });
  });

  it("of the tls part points into that part", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: FULL });
    const refused = await api.expect(400, "PATCH", `${DOMAIN}/tls`, {
      body: { server: { level: "x" }, y: 1 },
      ...HERE,
    });
    expect(refused.problems).toEqual(["invalid-value /server/level", "unknown-field /y"]);
  });
});

describe("the end of an exception", () => {
  const ending = (expiresAt: string, reason = "INC-1") => ({
    match: { clientCidr: "192.0.2.0/24" },
    level: "none",
    reason,
    expiresAt,
  });
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const PATH = "/v1/domains/late.example";

  it("is refused in the past, in the domain and in its tls part", async () => {
    const api = await startApi();
    const exceptions = [ending(inHours(1)), ending(inHours(-1))];
    const refused = await api.expect(422, "PUT", PATH, { body: { tls: { exceptions } } });
    expect(refused.problems).toEqual(["expires-in-past /tls/exceptions/1/expiresAt"]);
    await api.expect(201, "PUT", PATH, { body: {} });
    const part = await api.expect(422, "PATCH", `${PATH}/tls`, { body: { exceptions }, ...HERE });
    expect(part.problems).toEqual(["expires-in-past /exceptions/1/expiresAt"]);
  });

  it("keeps nothing else from being written once it has come", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", PATH, { body: { tls: { exceptions: [ending(inHours(1))] } } });
    const { json } = await api.expect(200, "GET", PATH);
    api.advance(2 * 3_600_000);
    expect((await api.expect(200, "PUT", PATH, { body: json, ...HERE })).json.revision).toBe(json.revision);
    await api.expect(200, "PATCH", PATH, { body: { mxHosts: ["mx.late.example"] }, ...HERE });
    const [exception] = json.tls.exceptions;
    const noted = [{ ...exception, reason: "INC-1, closed" }];
    await api.expect(200, "PATCH", PATH, { body: { tls: { exceptions: noted } }, ...HERE });
    const widened = [{ ...exception, match: { clientCidr: "192.0.0.0/16" } }];
    const refused = await api.expect(422, "PATCH", PATH, { body: { tls: { exceptions: widened } }, ...HERE });
    expect(refused.problems).toEqual(["expires-in-past /tls/exceptions/0/expiresAt"]);
    const forAnother = [{ ...exception, match: { ...exception.match, recipient: "tlsrpt@late.example" } }];
    await api.expect(422, "PATCH", PATH, { body: { tls: { exceptions: forAnother } }, ...HERE });
    await api.expect(200, "PATCH", PATH, { body: { tls: { exceptions: [] } }, ...HERE });
  });
});
