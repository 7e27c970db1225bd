import { describe, expect, it, vi } from "vitest";
import { type ApiUnderTest, OTHER_TOKEN, startApi, inOtherAccount } from "../../test/support/api.ts";
import type { CertificateId, EdgeId } from "../../core/name/ids.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import type { EdgeReport, ReportedListener } from "../../core/edge-report/edge-reports.ts";

const DOMAIN = "/v1/domains/example.com";
const HERE = { headers: { "If-Match": "*" } };
const SHARED: ReportedListener = {
  name: "mx",
  address: "127.0.0.1",
  port: 2525,
  domain: null,
  proxyProtocol: false,
};
const dedicated = (domain: string): ReportedListener => ({
  ...SHARED,
  name: domain,
  domain: parseDomainName(domain),
});

async function report(api: ApiUnderTest, parts: Partial<EdgeReport> = {}): Promise<EdgeId> {
  const id = parts.id ?? api.ids.edge();
  await api.edgeReports.report({
    id,
    release: "0.1.0",
    listeners: [SHARED],
    revision: 1,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 0,
    ...parts,
  });
  return id;
}

const statusOf = async (api: ApiUnderTest) => (await api.expect(200, "GET", `${DOMAIN}/status`)).json;

describe("the status of a domain", () => {
  it("is 0 edges without one, and counts those that report", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    expect((await statusOf(api)).summary).toBe("0 edges");
    const id = await report(api);
    expect(await statusOf(api)).toMatchObject({
      name: "example.com",
      revision: 1,
      summary: "1 of 1 edges at revision 1",
      edges: { live: [{ id, atRevision: true }], lost: [] },
      listeners: [{ listener: "mx", kind: "shared", effective: { level: "accept" }, reasons: [] }],
      warnings: [],
    });
    await api.expect(200, "PATCH", DOMAIN, { body: { tls: { enforcement: "defer" } }, ...HERE });
    expect((await statusOf(api)).summary).toBe("0 of 1 edges at revision 2");
    await report(api, { id, revision: 2 });
    expect((await statusOf(api)).summary).toBe("1 of 1 edges at revision 2");
    api.advance(31_000);
    expect(await statusOf(api)).toMatchObject({ summary: "0 edges", edges: { live: [], lost: [{ id }] } });
  });

  it("shows level none as accept only where another domain is served too, whosever it is", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { tls: { server: { level: "none" } } } });
    await report(api, { listeners: [SHARED, dedicated("own.example")] });
    const level = async () => (await statusOf(api)).listeners[0].effective.level;
    expect(await level()).toBe("none");
    // Served by a dedicated listener there, so not on the shared one.
    await api.expect(201, "PUT", "/v1/domains/own.example", { body: {}, token: OTHER_TOKEN });
    expect(await level()).toBe("none");
    await api.expect(201, "PUT", "/v1/domains/b.example", { body: {}, ...(await inOtherAccount(api)) });
    expect(await level()).toBe("accept");
    const status = await statusOf(api);
    expect(status.listeners).toHaveLength(1);
    expect(status.listeners[0].reasons[0].code).toBe("level-none-on-shared-listener");
    expect(JSON.stringify(status)).not.toMatch(/b\.example|own\.example/);
  });

  it("says of a record that cannot be read that no edge is at it", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { tls: { server: { level: "require" } } } });
    await report(api);
    api.database.run("UPDATE domain SET record = '{' WHERE id = 'example.com'");
    expect(await statusOf(api)).toMatchObject({
      revision: null,
      summary: "0 of 1 edges: the stored settings cannot be read",
      unreadable: [{ kind: "domain", id: "example.com", edge: null }],
      warnings: [{ code: "settings-unreadable" }],
    });
    await api.expect(409, "GET", DOMAIN);
  });

  it("and the domain itself are shown although its host, certificate or trust store cannot be read", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example.com"] };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
    const chain = await api.expect(200, "GET", `/v1/certificates/${id}/chain.pem`);
    const trust = await api.expect(201, "POST", "/v1/trust-stores", {
      body: { certificatesPem: chain.text },
    });
    const tls = {
      server: { certificateId: id },
      clientCertificate: { trust: { trustStoreIds: [trust.json.id] } },
    };
    await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.example.com"], tls } });
    const codes = async () => {
      await api.expect(200, "GET", `${DOMAIN}/status`);
      const { json } = await api.expect(200, "GET", "/v1/domains");
      return json.items[0].warnings.map(({ code }: { code: string }) => code);
    };
    api.database.run("UPDATE certificate SET record = '{'");
    api.database.run("UPDATE trust_store SET record = '{'");
    expect(await codes()).toEqual(["certificate-unreadable", "trust-store-unreadable"]);
    api.database.run("UPDATE mx_host SET domain_count = -1");
    expect(await codes()).toEqual(["certificate-unreadable", "mx-host-unreadable", "trust-store-unreadable"]);
  });

  it("is that of the caller's own domains, and needs a canonical name", async () => {
    const api = await startApi();
    await api.expect(404, "GET", `${DOMAIN}/status`);
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await api.expect(404, "GET", `${DOMAIN}/status`, { token: OTHER_TOKEN });
    await api.expect(400, "GET", "/v1/domains/Example.com/status");
  });
});

describe("the list of edges", () => {
  it("shows live and lost ones, without what is another account's", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example.com"] };
    const ours = (await api.expect(201, "POST", "/v1/certificates", { body })).json.id as CertificateId;
    const theirs = (await api.expect(201, "POST", "/v1/certificates", { body, token: OTHER_TOKEN })).json
      .id as CertificateId;
    // It is among the problems alone.
    const neverLoaded = (await api.expect(201, "POST", "/v1/certificates", { body })).json
      .id as CertificateId;
    await api.expect(201, "PUT", "/v1/domains/own.example", { body: {}, token: OTHER_TOKEN });
    const at = {
      version: 1,
      fingerprintsSha256: ["ab"],
      notAfter: "2027-01-01T00:00:00.000Z",
      problem: null,
    };
    const lost = await report(api, { listeners: [] });
    api.advance(40_000);
    const live = await report(api, {
      listeners: [SHARED, dedicated("own.example")],
      certificates: [ours, theirs, null].map((certificateId) => ({ certificateId, ...at })),
      certificateProblems: [ours, theirs, neverLoaded].map((certificateId) => ({
        certificateId,
        version: 2,
        reason: "key-missing" as const,
        problem: "gone",
        serves: null,
      })),
      unreadable: [{ kind: "domain", id: "secret.example", problem: "x" }],
    });
    // An account may have thousands of certificates: those that are reported are looked up, and no list is
    // read.
    const lists = vi.spyOn(api.store, "listCertificates");
    const { json, text } = await api.expect(200, "GET", "/v1/edges");
    expect(lists).not.toHaveBeenCalled();
    expect(json.nextCursor).toBeNull();
    const states = new Map(json.items.map(({ id, state }: { id: string; state: string }) => [id, state]));
    expect(states).toEqual(
      new Map([
        [lost, "lost"],
        [live, "live"],
      ]),
    );
    const shown = json.items.find(({ id }: { id: string }) => id === live);
    expect(shown.certificates.map((each: { certificateId: string | null }) => each.certificateId)).toEqual([
      ours,
      null,
    ]);
    expect(shown.certificateProblems).toEqual(
      [ours, neverLoaded].map((certificateId) => ({
        certificateId,
        version: 2,
        reason: "key-missing",
        problem: "gone",
        serves: null,
      })),
    );
    expect(shown.listeners).toEqual([SHARED]);
    expect(text).not.toMatch(/own\.example|secret\.example/);
    expect(text).not.toContain(theirs);
  });
});

describe("the change log", () => {
  it("tells who changed what, before and after, and never holds PEM", async () => {
    const api = await startApi();
    const made = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx.example.com"] },
    });
    const chain = await api.expect(200, "GET", `/v1/certificates/${made.json.id}/chain.pem`);
    await api.expect(201, "POST", "/v1/trust-stores", { body: { label: "x", certificatesPem: chain.text } });
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await api.expect(200, "PATCH", DOMAIN, { body: { tls: { enforcement: "defer" } }, ...HERE });
    await api.expect(204, "DELETE", DOMAIN, HERE);
    const { json, text } = await api.expect(200, "GET", "/v1/changes");
    expect(json.nextCursor).toBeNull();
    expect(json.items).toMatchObject([
      {
        revision: 1,
        action: "create",
        resource: { kind: "certificate", id: made.json.id },
        before: null,
        after: { version: 1 },
      },
      { revision: 2, action: "create", resource: { kind: "trust-store" }, after: { label: "x" } },
      {
        revision: 3,
        action: "create",
        resource: { kind: "domain", id: "example.com" },
        before: null,
        actor: "tester",
      },
      {
        revision: 4,
        action: "update",
        before: { revision: 3, tls: { enforcement: "reject" } },
        after: { revision: 4, tls: { enforcement: "defer" } },
      },
      { revision: 5, action: "delete", before: { revision: 4 }, after: null },
    ]);
    expect(text).not.toContain("-----BEGIN");
    expect(text).not.toMatch(/"material"|"sha256"/);
  });

  it("goes on after a revision, and leaves out what is another account's", async () => {
    const api = await startApi();
    for (const [index, token] of [undefined, OTHER_TOKEN, OTHER_TOKEN, undefined].entries())
      await api.expect(201, "PUT", `/v1/domains/d${index}.example`, {
        body: {},
        ...(token === undefined ? {} : { token }),
      });
    const found: number[] = [];
    let after: string | null = "0";
    do {
      const { json }: { json: { items: { revision: number }[]; nextCursor: string | null } } =
        await api.expect(200, "GET", `/v1/changes?limit=1&after=${after}`);
      found.push(...json.items.map(({ revision }) => revision));
      after = json.nextCursor;
    } while (after !== null);
    expect(found).toEqual([1, 4]);
    expect((await api.expect(200, "GET", "/v1/changes?after=4")).json).toEqual({
      items: [],
      unreadable: [],
      nextCursor: null,
    });
    expect((await api.expect(200, "GET", "/v1/changes?after=4000")).json.items).toEqual([]);
  });

  it("is 410 after entries that are not kept any more, with where it begins", async () => {
    const api = await startApi();
    for (const name of ["a", "b", "c"])
      await api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {} });
    const revisions = async (query: string) =>
      (await api.expect(200, "GET", `/v1/changes${query}`)).json.items.map(
        ({ revision }: { revision: number }) => revision,
      );
    api.database.run("DELETE FROM log WHERE revision < 3");
    for (const after of [0, 1]) {
      const { problems, json } = await api.expect(410, "GET", `/v1/changes?after=${after}`);
      expect(problems).toEqual(["gone /after"]);
      expect(json.detail).toContain("begins at revision 3");
    }
    expect(await revisions("?after=2")).toEqual([3]);
    expect(await revisions("")).toEqual([3]);
    api.database.run("DELETE FROM log");
    const { json } = await api.expect(410, "GET", "/v1/changes?after=2");
    expect(json.detail).toContain("begins at revision 4");
    expect(await revisions("?after=3")).toEqual([]);
    expect(await revisions("")).toEqual([]);
  });

  it("is read newest first by pages, also while others write, and between two revisions", async () => {
    const api = await startApi();
    const create = (name: string, options = {}) =>
      api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {}, ...options });
    for (const name of ["a", "b"]) await create(name);
    await create("theirs", { token: OTHER_TOKEN });
    for (const name of ["c", "d"]) await create(name);
    const page = async (query: string) => {
      const { json } = await api.expect(200, "GET", `/v1/changes?${query}`);
      const revisions: number[] = json.items.map(({ revision }: { revision: number }) => revision);
      return { revisions, next: json.nextCursor as string | null };
    };
    expect(await page("order=desc&limit=2")).toEqual({ revisions: [5, 4], next: "4" });
    await create("e");
    expect(await page("order=desc&limit=2&before=4")).toEqual({ revisions: [2], next: "2" });
    expect(await page("order=desc&limit=2&before=2")).toEqual({ revisions: [1], next: null });
    expect(await page("order=desc&before=1")).toEqual({ revisions: [], next: null });
    expect(await page("order=desc&before=9000")).toEqual({ revisions: [6, 5, 4, 2, 1], next: null });
    expect(await page("order=desc&after=4")).toEqual({ revisions: [6, 5], next: null });
    expect(await page("order=desc&after=1&before=5&limit=2")).toEqual({ revisions: [4], next: "3" });
    expect(await page("order=desc&after=1&before=3")).toEqual({ revisions: [2], next: null });
    expect(await page("before=3")).toEqual({ revisions: [1, 2], next: null });
    expect(await page("after=1&before=6&limit=2")).toEqual({ revisions: [2], next: "3" });
    expect(await page("order=asc&after=5&before=2")).toEqual({ revisions: [], next: null });
    expect(await page("order=desc&resource=domain/b.example")).toEqual({ revisions: [2], next: null });
  });

  it("is 410 newest first only where nothing of what is asked for is kept", async () => {
    const api = await startApi();
    for (const name of ["a", "b", "c", "d"])
      await api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {} });
    api.database.run("DELETE FROM log WHERE revision < 3");
    api.database.run("UPDATE log SET entry = '{' WHERE revision = 3");
    const { json } = await api.expect(200, "GET", "/v1/changes?order=desc");
    expect(json).toMatchObject({
      items: [{ revision: 4 }],
      unreadable: [{ revision: 3, kind: "log-entry" }],
      nextCursor: null,
    });
    await api.expect(200, "GET", "/v1/changes?order=desc&before=4");
    for (const before of [2, 3]) {
      const gone = await api.expect(410, "GET", `/v1/changes?order=desc&before=${before}`);
      expect(gone.problems).toEqual(["gone /before"]);
      expect(gone.json.errors[0].message).toBe("must be at least 4");
    }
    expect((await api.expect(410, "GET", "/v1/changes?order=desc&after=1")).problems).toEqual([
      "gone /after",
    ]);
    api.database.run("DELETE FROM log");
    expect((await api.expect(200, "GET", "/v1/changes?order=desc")).json.items).toEqual([]);
  });

  it("shows an entry that cannot be read as such, and none of another account", async () => {
    const api = await startApi();
    const create = (name: string, options = {}) =>
      api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {}, ...options });
    await create("a");
    await create("b");
    await create("theirs", { token: OTHER_TOKEN });
    await create("c");
    const spoil = (revision: number) =>
      api.database.run("UPDATE log SET entry = json_remove(entry, '$.actor') WHERE revision = ?", revision);
    spoil(2);
    spoil(3);
    api.database.run("UPDATE log SET entry = '{' WHERE revision = 4");
    const { json } = await api.expect(200, "GET", "/v1/changes");
    expect(json.items).toMatchObject([{ revision: 1 }]);
    expect(json.unreadable).toMatchObject([
      { revision: 2, kind: "domain", id: "b.example", problem: expect.stringContaining("actor") },
      { revision: 4, kind: "log-entry", id: "4" },
    ]);
    const about = await api.expect(200, "GET", "/v1/changes?resource=domain/a.example");
    expect(about.json.unreadable).toMatchObject([{ revision: 4 }]);
  });

  it.each([
    "after=-1",
    "after=x",
    "after=1.5",
    "after=",
    "limit=0",
    "before=x",
    "before=-1",
    "order=new",
    "order=",
    "after=9999999999999999",
  ])("refuses %s", async (query) => {
    const api = await startApi();
    await api.expect(400, "GET", `/v1/changes?${query}`);
  });
});

describe("the status of a certificate", () => {
  it("shows its version at each edge, and nothing to another account", async () => {
    const api = await startApi();
    const body = { source: "self-signed", names: ["mx.example.com"] };
    const { json } = await api.expect(201, "POST", "/v1/certificates", { body });
    const path = `/v1/certificates/${json.id}/status`;
    const served = {
      certificateId: json.id as CertificateId,
      version: 1,
      fingerprintsSha256: [json.keys[0].fingerprintSha256],
      notAfter: json.notAfter,
      problem: null,
    };
    for (const certificates of [[served], [served], []]) await report(api, { certificates });
    expect((await api.expect(200, "GET", path)).json).toMatchObject({
      id: json.id,
      version: 1,
      summary: "2 of 3 edges serve version 1",
      edges: { atVersion: 2, lost: [] },
    });
    await api.expect(404, "GET", path, { token: OTHER_TOKEN });
    await api.expect(404, "GET", "/v1/certificates/cert_01ARZ3NDEKTSV4RRFFQ69G5FAV/status");
    api.database.run("UPDATE certificate SET record = '{'");
    await api.expect(409, "GET", path);
  });
});
