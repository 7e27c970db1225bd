import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { SCOPE_NAMES } from "../../core/access/scope.ts";
import { makeCa, issueServer } from "../../test/support/pki.ts";
import { type ApiUnderTest, inOtherAccount, OTHER_TOKEN, startApi } from "../../test/support/api.ts";

/** Stored records that this release cannot read: shown, replaced, deleted. */

const ANY = { headers: { "If-Match": "*" } };
const AS_OTHER = { token: OTHER_TOKEN };
const DOMAIN = "/v1/domains/a.example";

/** Revisions 1 to 4: a certificate, a trust store, `a` with both, `b` on the same host. */
async function settled() {
  const api = await startApi();
  const { certificatePem, privateKeyPem } = issueServer({ names: ["mx.example"] });
  const pem = { source: "pem", certificatePem, privateKeyPem };
  const certificate = (await api.expect(201, "POST", "/v1/certificates", { body: pem })).json;
  const trust = { label: "x", certificatesPem: makeCa().certificatePem };
  const trustStore = (await api.expect(201, "POST", "/v1/trust-stores", { body: trust })).json;
  const body = {
    mxHosts: ["mx.example"],
    tls: {
      server: { level: "require", certificateId: certificate.id },
      clientCertificate: { mode: "require", trust: { trustStoreIds: [trustStore.id] } },
    },
  };
  await api.expect(201, "PUT", DOMAIN, { body });
  await api.expect(201, "PUT", "/v1/domains/b.example", { body });
  return { api, pem, trust, body, certificate, trustStore };
}

const spoil = (api: ApiUnderTest, table: string, id: string): void => {
  if (api.database.run(`UPDATE ${table} SET record = '{' WHERE id = ?`, id) !== 1) throw new Error(id);
};

describe("a domain that cannot be read", () => {
  it("says so with what is known, and that it is not another account's", async () => {
    const { api } = await settled();
    spoil(api, "domain", "a.example");
    const answer = await api.expect(409, "GET", DOMAIN);
    expect(answer.json).toMatchObject({ type: "urn:postern:problem:unreadable" });
    expect(answer.json.detail).toContain("revision 3");
    await api.expect(409, "GET", `${DOMAIN}/tls`);
    for (const path of [DOMAIN, `${DOMAIN}/tls`]) await api.expect(409, "PATCH", path, { body: {}, ...ANY });
    await api.expect(409, "PUT", `${DOMAIN}/tls`, { body: { server: { level: "none" } }, ...ANY });
    await api.expect(404, "GET", DOMAIN, AS_OTHER);
    await api.expect(404, "GET", `${DOMAIN}/status`, AS_OTHER);
    await api.expect(404, "DELETE", DOMAIN, { ...ANY, ...AS_OTHER });
    const taken = await api.expect(409, "PUT", DOMAIN, { body: {}, ...ANY, ...AS_OTHER });
    expect(taken.problems).toEqual(["name-taken /name"]);
  });

  it("stands in the list beside the others", async () => {
    const { api, certificate } = await settled();
    spoil(api, "domain", "a.example");
    for (const query of ["", `?certificateId=${certificate.id}`, "?prefix=a"]) {
      const { json } = await api.expect(200, "GET", `/v1/domains${query}`);
      expect(json.unreadable).toMatchObject([{ kind: "domain", id: "a.example" }]);
      expect(json.items).toHaveLength(query === "?prefix=a" ? 0 : 1);
    }
    const others = await api.expect(200, "GET", "/v1/domains", AS_OTHER);
    expect(others.json.unreadable).toEqual([]);
  });

  it.each(["*", '"3"'])(
    "is replaced with If-Match: %s, and found by its new names alone",
    async (condition) => {
      const { api, certificate, trustStore } = await settled();
      spoil(api, "domain", "a.example");
      const body = { tls: { enforcement: "defer" } };
      await api.expect(428, "PUT", DOMAIN, { body });
      await api.expect(412, "PUT", DOMAIN, { body, headers: { "If-None-Match": "*" } });
      await api.expect(412, "PUT", DOMAIN, { body, headers: { "If-Match": '"2"' } });
      const { json, headers } = await api.expect(200, "PUT", DOMAIN, {
        body,
        headers: { "If-Match": condition },
      });
      expect(headers.get("etag")).toBe('"5"');
      expect((await api.expect(200, "GET", DOMAIN)).json).toEqual(json);
      const uses = async (path: string) => (await api.expect(200, "GET", path)).json.usedBy;
      const left = { count: 1, domains: ["b.example"] };
      expect(await uses(`/v1/certificates/${certificate.id}`)).toMatchObject(left);
      expect(await uses(`/v1/trust-stores/${trustStore.id}`)).toMatchObject(left);
      const [change] = (await api.expect(200, "GET", "/v1/changes?after=4")).json.items;
      expect(change).toMatchObject({ action: "update", before: null, after: { revision: 5 } });
      // Nothing holds the others any more.
      await api.expect(204, "DELETE", "/v1/domains/b.example", ANY);
      await api.expect(204, "DELETE", `/v1/certificates/${certificate.id}`, ANY);
      await api.expect(204, "DELETE", `/v1/trust-stores/${trustStore.id}`, ANY);
    },
  );

  it("is deleted with If-Match, and gives up what it named", async () => {
    const { api, certificate } = await settled();
    spoil(api, "domain", "a.example");
    await api.expect(428, "DELETE", DOMAIN);
    await api.expect(412, "DELETE", DOMAIN, { headers: { "If-Match": '"2"' } });
    await api.expect(204, "DELETE", DOMAIN, ANY);
    await api.expect(404, "GET", DOMAIN);
    const { json } = await api.expect(200, "GET", `/v1/certificates/${certificate.id}`);
    expect(json.usedBy).toMatchObject({ count: 1, domains: ["b.example"] });
    const [change] = (await api.expect(200, "GET", "/v1/changes?after=4")).json.items;
    expect(change).toMatchObject({ action: "delete", before: null, after: null });
  });
});

describe("a record with raw=true", () => {
  const KINDS = ["domain", "certificate", "trust_store"] as const;
  const pathsOf = ({ certificate, trustStore }: Awaited<ReturnType<typeof settled>>) => ({
    domain: [DOMAIN, "a.example"],
    certificate: [`/v1/certificates/${certificate.id}`, certificate.id],
    trust_store: [`/v1/trust-stores/${trustStore.id}`, trustStore.id],
  });
  const write = ({ database }: ApiUnderTest, table: string, id: string, record: string) =>
    expect(database.run(`UPDATE ${table} SET record = ? WHERE id = ?`, record, id)).toBe(1);

  it.each(KINDS)("is the stored text, whether it can be read or not, with its ETag: %s", async (table) => {
    const world = await settled();
    const { api } = world;
    const [path = "", id = ""] = pathsOf(world)[table];
    const raw = async () => api.expect(200, "GET", `${path}?raw=true`);
    const stored = () => api.database.get(`SELECT record, revision FROM ${table} WHERE id = ?`, id);
    const first = await raw();
    expect(first.text).toBe(stored()?.["record"]);
    expect(first.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(first.headers.get("x-content-type-options")).toBe("nosniff");
    expect(first.headers.get("etag")).toBe(`"${String(stored()?.["revision"])}"`);
    for (const text of ['{"later":"<script>é"', ""]) {
      write(api, table, id, text);
      await api.expect(409, "GET", path);
      expect((await raw()).text).toBe(text);
      expect((await api.send("HEAD", `${path}?raw=true`)).status).toBe(200);
    }
    await api.expect(304, "GET", `${path}?raw=true`, {
      headers: { "If-None-Match": first.headers.get("etag") ?? "" },
    });
  });

  it.each(KINDS)("is an operator's alone, and in the account that it acts in: %s", async (table) => {
    const world = await settled();
    const { api } = world;
    const [path = "", id = ""] = pathsOf(world)[table];
    spoil(api, table, id);
    const { json } = await api.expect(201, "POST", "/v1/tokens", {
      body: { scopes: SCOPE_NAMES.filter((scope) => scope !== "operator") },
    });
    for (const token of [json.token, OTHER_TOKEN])
      for (const each of [path, path.replace(/[^/]+$/, "absent.example")]) {
        const refused = await api.expect(403, "GET", `${each}?raw=true`, { token });
        expect(refused.json.scope).toBe("operator");
      }
    const elsewhere = await inOtherAccount(api);
    const theirs = await api.expect(404, "GET", `${path}?raw=true`, elsewhere);
    const absentPath = path.replace(/[^/]+$/, table === "domain" ? "b2.example" : id.replace(/.$/, "Z"));
    const absent = await api.expect(404, "GET", `${absentPath}?raw=true`, elsewhere);
    expect({ ...theirs.json, requestId: "" }).toEqual({ ...absent.json, requestId: "" });
    await api.expect(400, "GET", `${path}?raw=yes`);
  });

  it("has no private key and no password, whatever was stored", async () => {
    const { api } = await settled();
    const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    const pem = key.export({ type: "pkcs8", format: "pem" }) as string;
    for (const text of [pem, JSON.stringify({ a: { key: pem }, b: 1 }), pem.slice(0, -20)]) {
      write(api, "domain", "a.example", `{"x":${text}`);
      const answer = await api.expect(200, "GET", `${DOMAIN}?raw=true`);
      expect(answer.text).not.toContain(pem.split("\n")[1]?.slice(0, 40));
      expect(answer.text).toContain("(removed)");
    }
    const url = '{"nextHop":"smtp://user:pa:ss@192.0.2.1:25","mail":"a@b.example"';
    write(api, "domain", "a.example", url);
    const { text } = await api.expect(200, "GET", `${DOMAIN}?raw=true`);
    expect(text).toBe('{"nextHop":"smtp://(removed)@192.0.2.1:25","mail":"a@b.example"');
  });
});

describe("a certificate that cannot be read", () => {
  it("says so, stands in the list, is replaced by new material, and deleted once no host serves it", async () => {
    const { api, pem, certificate } = await settled();
    const path = `/v1/certificates/${certificate.id}`;
    spoil(api, "certificate", certificate.id);
    await api.expect(409, "GET", path);
    await api.expect(409, "GET", `${path}/chain.pem`);
    await api.expect(409, "PATCH", path, { body: { label: "x" }, ...ANY });
    await api.expect(404, "GET", path, AS_OTHER);
    const list = (await api.expect(200, "GET", "/v1/certificates")).json;
    expect(list).toMatchObject({ items: [], unreadable: [{ kind: "certificate", id: certificate.id }] });
    const { problems } = await api.expect(409, "DELETE", path, ANY);
    expect(problems).toEqual(["in-use "]);
    const keyless = { source: "pem", certificatePem: pem.certificatePem };
    await api.expect(409, "PUT", `${path}/material`, { body: keyless, ...ANY });
    const wrong = issueServer({ names: ["other.example"] });
    const missing = {
      source: "pem",
      certificatePem: wrong.certificatePem,
      privateKeyPem: wrong.privateKeyPem,
    };
    await api.expect(422, "PUT", `${path}/material`, { body: missing, ...ANY });
    const { json } = await api.expect(200, "PUT", `${path}/material`, {
      body: pem,
      headers: { "If-Match": '"1"' },
    });
    expect(json).toMatchObject({ revision: 5, names: ["mx.example"], usedBy: { count: 2 } });
    await api.expect(200, "GET", `${path}/chain.pem`);
  });

  it("does not lock the other settings of the domains that name it", async () => {
    const { api, certificate, trustStore } = await settled();
    spoil(api, "certificate", certificate.id);
    spoil(api, "trust_store", trustStore.id);
    const body = { tls: { enforcement: "defer" } };
    const { json } = await api.expect(200, "PATCH", DOMAIN, { body, ...ANY });
    expect(json.warnings.map(({ code }: { code: string }) => code)).toEqual(
      expect.arrayContaining(["certificate-unreadable", "trust-store-unreadable"]),
    );
    const named = { mxHosts: ["new.example"], tls: { server: { certificateId: certificate.id } } };
    expect((await api.expect(409, "PUT", "/v1/domains/c.example", { body: named })).json.type).toContain(
      "unreadable",
    );
  });
});

describe("a trust store that cannot be read", () => {
  it("says so, stands in the list, is replaced, and deleted once no domain names it", async () => {
    const { api, trust, trustStore } = await settled();
    const path = `/v1/trust-stores/${trustStore.id}`;
    spoil(api, "trust_store", trustStore.id);
    await api.expect(409, "GET", path);
    await api.expect(404, "PUT", path, { body: trust, ...ANY, ...AS_OTHER });
    const list = (await api.expect(200, "GET", "/v1/trust-stores")).json;
    expect(list).toMatchObject({ items: [], unreadable: [{ kind: "trust-store", id: trustStore.id }] });
    expect((await api.expect(409, "DELETE", path, ANY)).problems).toEqual(["in-use "]);
    await api.expect(428, "PUT", path, { body: trust });
    const { json } = await api.expect(200, "PUT", path, { body: trust, ...ANY });
    expect(json).toMatchObject({ revision: 5, label: "x", usedBy: { count: 2 } });
    expect((await api.expect(200, "GET", path)).json).toEqual(json);
  });
});

describe("an MX host whose item cannot be read", () => {
  const MARK = expect.objectContaining({
    code: "mx-host-unreadable",
    message: expect.stringContaining("mx.example"),
  });
  const spoilHost = (api: ApiUnderTest) => api.database.run("UPDATE mx_host SET domain_count = -1");
  const stored = (api: ApiUnderTest) =>
    api.database.all("SELECT * FROM mx_host").map((row) => ({ ...row, certificate_revision: undefined }));

  it("is marked in reads, lists and the status, which show the certificate that edges keep", async () => {
    const { api, certificate } = await settled();
    spoilHost(api);
    const { json } = await api.expect(200, "GET", DOMAIN);
    expect(json.tls.server.certificateId).toBe(certificate.id);
    const { items } = (await api.expect(200, "GET", "/v1/domains")).json;
    expect(items).toHaveLength(2);
    for (const { warnings } of [json, ...items]) expect(warnings).toContainEqual(MARK);
    expect((await api.expect(200, "GET", `${DOMAIN}/status`)).json.warnings).toContainEqual(MARK);
  });

  it.each([
    ["PUT", "what was read", (body: object) => body],
    ["PATCH", "nothing", () => ({})],
    ["PATCH", "another setting", () => ({ tls: { enforcement: "defer" } })],
  ] as const)("is replaced by a %s of %s, for every domain on it", async (method, _, change) => {
    const { api, certificate } = await settled();
    const before = stored(api);
    spoilHost(api);
    const {
      name: _name,
      account: _account,
      mxHosts,
      tls,
      delivery,
    } = (await api.expect(200, "GET", DOMAIN)).json;
    const { json } = await api.expect(200, method, DOMAIN, {
      body: change({ mxHosts, tls, delivery }),
      ...ANY,
    });
    expect(json).toMatchObject({ revision: 5, tls: { server: { certificateId: certificate.id } } });
    expect(json.warnings).not.toContainEqual(MARK);
    expect((await api.expect(200, "GET", "/v1/domains/b.example")).json.warnings).not.toContainEqual(MARK);
    expect(stored(api)).toEqual(before);
    const { items, unreadable } = (await api.expect(200, "GET", "/v1/changes?after=4")).json;
    expect([items.length, unreadable]).toEqual([1, []]);
    // Nothing is left to do.
    await api.expect(200, method, DOMAIN, { body: change({ mxHosts, tls, delivery }), ...ANY });
    expect(await api.store.head()).toBe(5);
  });

  it("is added by another domain, moved to another certificate, and given up as any host is", async () => {
    const { api, certificate } = await settled();
    spoilHost(api);
    const named = { mxHosts: ["mx.example"], tls: { server: { certificateId: certificate.id } } };
    await api.expect(201, "PUT", "/v1/domains/c.example", { body: named });
    expect(stored(api)).toMatchObject([{ domain_count: 3 }]);
    spoilHost(api);
    const bare = { tls: { server: { certificateId: null } } };
    const shared = await api.expect(409, "PATCH", DOMAIN, { body: bare, ...ANY });
    expect(shared.problems).toEqual(["shared-host /tls/server/certificateId"]);
    await api.expect(200, "PATCH", `${DOMAIN}?sharedHosts=move`, { body: bare, ...ANY });
    for (const name of ["a", "b", "c"]) {
      spoilHost(api);
      await api.expect(204, "DELETE", `/v1/domains/${name}.example`, ANY);
    }
    expect(stored(api)).toEqual([]);
    await api.expect(204, "DELETE", `/v1/certificates/${certificate.id}`, ANY);
  });

  it("is not another account's to replace", async () => {
    const { api, certificate } = await settled();
    spoilHost(api);
    const body = { mxHosts: ["mx.example"] };
    const { json } = await api.expect(201, "PUT", "/v1/domains/o.example", { body, ...AS_OTHER });
    expect(json.warnings).not.toContainEqual(MARK);
    expect(stored(api)).toMatchObject([
      { account: "default", certificate_id: certificate.id, domain_count: -1 },
    ]);
  });
});
