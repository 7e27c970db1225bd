import { describe, expect, it } from "vitest";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import {
  basicConstraints,
  extKeyUsage,
  hoursFromNow,
  KEY_USAGE,
  keyUsage,
} from "../../test/support/certificate-writer.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { integer, sequence, time } from "../../test/support/der.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";

const ALL = "/v1/trust-stores";
const HERE = { headers: { "If-Match": "*" } };

const ca = makeCa({ name: "Partner Root" });
const other = makeCa();
const expired = makeCa({ notAfter: hoursFromNow(-1) });
const certificatesPem = ca.certificatePem;

async function create(api: ApiUnderTest, body: object = { certificatesPem }): Promise<string> {
  return (await api.expect(201, "POST", ALL, { body })).json.id;
}

const requireOf = (...trustStoreIds: string[]) => ({
  mxHosts: ["mx.example.com"],
  tls: { server: { level: "require" }, clientCertificate: { mode: "require", trust: { trustStoreIds } } },
});

describe("a trust store that no edge could load", () => {
  /** An entry whose extensions are a number: signed, and unreadable for OpenSSL. */
  const crlPem = makeCrl({ ca, entries: [sequence(integer(1), time(hoursFromNow(-1)), integer(1))] });

  it("is refused with OpenSSL's reason, new and in place of another", async () => {
    const api = await startApi();
    const id = await create(api);
    for (const [method, path] of [
      ["POST", ALL],
      ["PUT", `${ALL}/${id}`],
    ] as const) {
      const { json } = await api.expect(422, method, path, { body: { certificatesPem, crlPem }, ...HERE });
      expect(json.errors).toMatchObject([{ pointer: "/crlPem", code: "does-not-load" }]);
      expect(json.errors[0].message).toMatch(/\(ERR_[A-Z0-9_]+\)/);
    }
    expect((await api.expect(200, "GET", `${ALL}/${id}`)).json.crls).toEqual([]);
  });
});

describe("a trust store", () => {
  it("is created, read back, replaced by what was read, and deleted", async () => {
    const api = await startApi();
    const body = { label: "partners", certificatesPem };
    const created = await api.expect(201, "POST", ALL, { body });
    expect(created.json).toMatchObject({
      label: "partners",
      crlPem: null,
      revision: 1,
      usedBy: { count: 0, domains: [] },
    });
    expect(created.json.anchors).toHaveLength(1);
    expect(created.json.anchors[0].subject).toContain("Partner Root");
    expect(created.json.certificatesPem).toContain("BEGIN CERTIFICATE");
    const path = `${ALL}/${created.json.id}`;
    expect(created.headers.get("location")).toBe(path);
    expect((await api.expect(200, "GET", path)).json).toEqual(created.json);
    const replaced = await api.expect(200, "PUT", path, {
      body: { ...created.json, label: "other" },
      headers: { "If-Match": '"1"' },
    });
    expect(replaced.json).toMatchObject({ contentSha256: created.json.contentSha256, revision: 2 });
    const bare = await api.expect(200, "PUT", path, {
      body: { certificatesPem: other.certificatePem },
      ...HERE,
    });
    expect(bare.json.label).toBeNull();
    expect(bare.json.anchors).not.toEqual(created.json.anchors);
    await api.expect(204, "DELETE", path, HERE);
    await api.expect(404, "GET", path);
  });

  it("takes CRLs of its CAs", async () => {
    const api = await startApi();
    const crlPem = makeCrl({ ca });
    const { json } = await api.expect(201, "POST", ALL, { body: { certificatesPem, crlPem } });
    expect(json.crls).toHaveLength(1);
    expect((await api.expect(200, "GET", `${ALL}/${json.id}`)).json.crlPem).toContain("X509 CRL");
  });

  it.each([
    ["no certificates", { label: null }, 400, ["required /certificatesPem"]],
    ["what is no PEM", { certificatesPem: "x" }, 400, ["not-pem /certificatesPem"]],
    [
      "a private key",
      { certificatesPem: issueServer({ names: ["a.example"] }).privateKeyPem },
      400,
      ["wrong-kind /certificatesPem"],
    ],
    ["an unknown field", { certificatesPem, crl: "x" }, 400, ["unknown-field /crl"]],
    [
      "201 certificates",
      { certificatesPem: certificatesPem.repeat(201) },
      422,
      ["too-many-certificates /certificatesPem"],
    ],
    ["256 KB and more", { certificatesPem: "x".repeat(262_145) }, 413, ["too-large /certificatesPem"]],
    ["512 KB of CRLs and more", { certificatesPem, crlPem: "x".repeat(524_289) }, 413, ["too-large /crlPem"]],
  ])("refuses %s", async (_, body, status, problems) => {
    const api = await startApi();
    expect((await api.expect(status, "POST", ALL, { body })).problems).toEqual(problems);
    expect((await api.expect(200, "GET", ALL)).json).toEqual({ items: [], unreadable: [], nextCursor: null });
  });

  it.each([
    ["PUT", {}, 428],
    ["PUT", { "If-Match": '"7"' }, 412],
    ["DELETE", {}, 428],
    ["DELETE", { "If-Match": '"7"' }, 412],
  ])("%s with %j is %i", async (method, headers, status) => {
    const api = await startApi();
    const id = await create(api);
    const body = method === "PUT" ? { body: { certificatesPem } } : {};
    await api.expect(status, method, `${ALL}/${id}`, { ...body, headers: { ...headers } });
  });

  it("is not made by PUT: its id is ours", async () => {
    const api = await startApi();
    await api.expect(404, "PUT", `${ALL}/trust_01ARZ3NDEKTSV4RRFFQ69G5FAV`, { body: { certificatesPem } });
  });

  it("cannot be deleted while a domain names it, and says which do", async () => {
    const api = await startApi();
    const id = await create(api);
    await api.expect(201, "PUT", "/v1/domains/example.com", { body: requireOf(id) });
    expect((await api.expect(200, "GET", `${ALL}/${id}`)).json.usedBy).toEqual({
      count: 1,
      domains: ["example.com"],
    });
    const refused = await api.expect(409, "DELETE", `${ALL}/${id}`, HERE);
    expect(refused.problems).toEqual(["in-use "]);
    expect(refused.json.detail).toContain("used by 1 domain: example.com");
    await api.expect(204, "DELETE", "/v1/domains/example.com", HERE);
    await api.expect(204, "DELETE", `${ALL}/${id}`, HERE);
  });

  it.each(["GET", "PUT", "DELETE"])("of another account is absent: %s", async (method) => {
    const api = await startApi();
    const id = await create(api);
    const body = method === "PUT" ? { body: { certificatesPem } } : {};
    await api.expect(404, method, `${ALL}/${id}`, { token: OTHER_TOKEN, ...HERE, ...body });
    expect((await api.expect(200, "GET", ALL, { token: OTHER_TOKEN })).json.items).toEqual([]);
  });

  it("is listed without its PEM, a page at a time", async () => {
    const api = await startApi();
    const ids = [await create(api), await create(api), await create(api)];
    const first = await api.expect(200, "GET", `${ALL}?limit=2`);
    const second = await api.expect(200, "GET", `${ALL}?limit=2&cursor=${first.json.nextCursor}`);
    const items = [...first.json.items, ...second.json.items];
    expect(items.map(({ id }: { id: string }) => id).toSorted()).toEqual(ids.toSorted());
    expect(first.text).not.toContain("BEGIN");
    await api.expect(400, "GET", `/v1/certificates?cursor=${first.json.nextCursor}`);
  });
});

describe("trust of a domain", () => {
  it("refuses a trust store that is not there, or is another account's, in the same words", async () => {
    const api = await startApi();
    const id = await create(api);
    const absent = await api.expect(422, "PUT", "/v1/domains/example.com", { body: requireOf("trust_none") });
    expect(absent.problems).toEqual(["unknown-trust-store /tls/clientCertificate/trust/trustStoreIds/0"]);
    const foreign = await api.expect(422, "PUT", "/v1/domains/example.com", {
      body: requireOf(id),
      token: OTHER_TOKEN,
    });
    expect(foreign.json.errors[0].message.replace(id, "trust_none")).toBe(absent.json.errors[0].message);
  });

  it("refuses mode require over CAs that have all expired, written from either side", async () => {
    const api = await startApi();
    const dead = await create(api, { certificatesPem: expired.certificatePem });
    const alive = await create(api);
    const path = "/v1/domains/example.com";
    const refused = await api.expect(422, "PUT", path, { body: requireOf(dead) });
    expect(refused.problems).toEqual(["nothing-can-pass /tls/clientCertificate/trust"]);
    await api.expect(201, "PUT", path, { body: requireOf(dead, alive) });
    const body = { certificatesPem: expired.certificatePem };
    const put = await api.expect(422, "PUT", `${ALL}/${alive}`, { body, ...HERE });
    expect(put.problems).toEqual(["nothing-can-pass /certificatesPem"]);
    await api.expect(200, "PUT", `${ALL}/${dead}`, { body, ...HERE });
  });

  it.each([
    ["a CA that is not valid yet", makeCa({ notBefore: hoursFromNow(1) }).certificatePem],
    ["a certificate that is not a CA", makeCa({ extensions: [basicConstraints(false)] }).certificatePem],
    [
      "a CA that may not sign",
      makeCa({ extensions: [basicConstraints(true), keyUsage(KEY_USAGE.digitalSignature)] }).certificatePem,
    ],
    [
      "a CA for code alone",
      makeCa({ extensions: [basicConstraints(true), extKeyUsage("1.3.6.1.5.5.7.3.3")] }).certificatePem,
    ],
  ])("refuses mode require over %s, written from either side", async (_, pemText) => {
    const api = await startApi();
    const useless = await create(api, { certificatesPem: pemText });
    const useful = await create(api);
    const path = "/v1/domains/example.com";
    const refused = await api.expect(422, "PUT", path, { body: requireOf(useless) });
    expect(refused.problems).toEqual(["nothing-can-pass /tls/clientCertificate/trust"]);
    await api.expect(201, "PUT", path, { body: requireOf(useful) });
    const put = await api.expect(422, "PUT", `${ALL}/${useful}`, {
      body: { certificatesPem: pemText },
      ...HERE,
    });
    expect(put.problems).toEqual(["nothing-can-pass /certificatesPem"]);
  });

  it("takes a client's own certificate, which is not a CA, with its limits", async () => {
    const api = await startApi();
    const { certificatePem } = issueServer({ names: ["mail.partner.example"] });
    const { json } = await api.expect(201, "POST", ALL, { body: { certificatesPem: certificatePem } });
    expect(json.anchors[0].limits).toMatchObject({ isCa: false, dnsNames: ["mail.partner.example"] });
    const domain = await api.expect(201, "PUT", "/v1/domains/example.com", { body: requireOf(json.id) });
    const codes = domain.json.warnings.map(({ code }: { code: string }) => code);
    expect(codes).toContain("trust-anchor-limited");
  });

  it("takes a CA that only its key usage marks, as OpenSSL does, without limits", async () => {
    const api = await startApi();
    const old = makeCa({ extensions: [keyUsage(KEY_USAGE.keyCertSign)] });
    const { json } = await api.expect(201, "POST", ALL, { body: { certificatesPem: old.certificatePem } });
    expect(json.anchors[0].limits).toBeUndefined();
    await api.expect(201, "PUT", "/v1/domains/example.com", { body: requireOf(json.id) });
  });
});

describe("a deletion of what is in use", () => {
  it("names the first 20 domains by name, and how many more there are", async () => {
    const api = await startApi();
    const id = await create(api);
    for (let n = 0; n < 22; n += 1)
      await api.expect(201, "PUT", `/v1/domains/d${String(n).padStart(2, "0")}.example`, {
        body: requireOf(id),
      });
    const { detail } = (await api.expect(409, "DELETE", `${ALL}/${id}`, HERE)).json;
    expect(detail).toMatch(/used by 22 domains: d00\.example, .*, d19\.example and 2 more$/);
  });
});
