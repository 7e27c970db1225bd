import { describe, expect, it, vi } from "vitest";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { materialName, trustName } from "../../core/store/key-vault.ts";
import { Writer } from "../../test/contract/store-under-test.ts";
import { issueServer, makeCa } from "../../test/support/pki.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";

/** What an ETag stands for (docs/adr/0019), and writes that change nothing. */

const ANY = { headers: { "If-Match": "*" } };
const at = (etag: string | null) => ({ headers: { "If-Match": etag ?? "" } });

async function certificate(api: ApiUnderTest, names: string[]): Promise<string> {
  const body = { source: "self-signed", names };
  return (await api.expect(201, "POST", "/v1/certificates", { body })).json.id;
}

const settings = (mxHosts: string[], certificateId: string | null = null) => ({
  mxHosts,
  tls: { server: { certificateId } },
});

const read = (api: ApiUnderTest, path: string) => api.expect(200, "GET", `/v1/domains/${path}`);

/**
 * `a` and `b` share mx.example on the first certificate; `a` then moves it to the second: revisions 3 to 5.
 */
async function moved() {
  const api = await startApi();
  const first = await certificate(api, ["mx.example", "other.example"]);
  const second = await certificate(api, ["mx.example", "other.example"]);
  await api.expect(201, "PUT", "/v1/domains/a.example", { body: settings(["mx.example"], first) });
  await api.expect(201, "PUT", "/v1/domains/b.example", { body: settings(["mx.example"], first) });
  const old = await read(api, "b.example");
  const body = settings(["mx.example"], second);
  await api.expect(200, "PUT", "/v1/domains/a.example?sharedHosts=move", { body, ...ANY });
  return { api, first, second, old };
}

describe("the ETag of a domain whose MX host another domain has moved", () => {
  it("is new, in the body and for /tls too, and the old one is stale for every write", async () => {
    const { api, old, second } = await moved();
    const present = await read(api, "b.example");
    expect(old.headers.get("etag")).toBe('"4"');
    expect(present.headers.get("etag")).toBe('"5"');
    expect(present.json).toMatchObject({ revision: 5, tls: { server: { certificateId: second } } });
    expect((await read(api, "b.example/tls")).headers.get("etag")).toBe('"5"');
    const listed = await api.expect(200, "GET", "/v1/domains");
    expect(listed.json.items[1]).toEqual(present.json);
    expect((await read(api, "b.example/status")).json.revision).toBe(5);

    const stale = at(old.headers.get("etag"));
    await api.expect(412, "PUT", "/v1/domains/b.example", { body: old.json, ...stale });
    await api.expect(412, "PATCH", "/v1/domains/b.example", { body: { delivery: null }, ...stale });
    await api.expect(412, "PUT", "/v1/domains/b.example/tls", { body: old.json.tls, ...stale });
    await api.expect(412, "PATCH", "/v1/domains/b.example/tls", { body: {}, ...stale });
    await api.expect(412, "DELETE", "/v1/domains/b.example", stale);
    expect((await read(api, "b.example")).json).toEqual(present.json);
  });

  it("is good for a write, whose answer has the next one", async () => {
    const { api } = await moved();
    const present = await read(api, "b.example");
    const body = { tls: { enforcement: "defer" } };
    const options = { body, ...at(present.headers.get("etag")) };
    const { json, headers } = await api.expect(200, "PATCH", "/v1/domains/b.example", options);
    expect(headers.get("etag")).toBe('"6"');
    expect((await read(api, "b.example")).json).toEqual(json);
    await api.expect(204, "DELETE", "/v1/domains/b.example", at('"6"'));
  });

  it("stays as it is when another domain only comes to name the host, or goes", async () => {
    const { api, second } = await moved();
    await api.expect(201, "PUT", "/v1/domains/c.example", { body: settings(["mx.example"], second) });
    await api.expect(204, "DELETE", "/v1/domains/a.example", ANY);
    expect((await read(api, "b.example")).headers.get("etag")).toBe('"5"');
  });

  it("is judged again when another process moves the host between the reads and the commit", async () => {
    const api = await startApi();
    const first = await certificate(api, ["mx.example"]);
    const second = await certificate(api, ["mx.example"]);
    await api.expect(201, "PUT", "/v1/domains/a.example", { body: settings(["mx.example"], first) });
    await api.expect(201, "PUT", "/v1/domains/b.example", { body: settings(["mx.example"], first) });
    const other = await startApi({ store: new SqliteStore(api.database) });
    const commit = api.store.commit.bind(api.store);
    let tries = 0;
    api.store.commit = async (write) => {
      tries += 1;
      const body = settings(["mx.example"], second);
      if (tries === 1)
        await other.expect(200, "PUT", "/v1/domains/a.example?sharedHosts=move", { body, ...ANY });
      return commit(write);
    };
    const body = { tls: { enforcement: "defer" } };
    await api.expect(412, "PATCH", "/v1/domains/b.example", { body, ...at('"4"') });
    expect(tries).toBe(1);
  });
});

describe("the change log of a move", () => {
  it("says how many domains it changed without reading them all: exactly for one host, at least for several", async () => {
    const api = await startApi();
    const names = ["mx1.example", "mx2.example"];
    const make = async () =>
      (await api.expect(201, "POST", "/v1/certificates", { body: { source: "self-signed", names } })).json.id;
    const [first, second] = [await make(), await make()];
    await api.expect(201, "PUT", "/v1/domains/a.example", { body: settings(names, first) });
    const writer = new Writer(api.store);
    for (let n = 0; n < 230; n += 1)
      await writer.putDomain({
        name: `d${n}.example`,
        mxHosts: names.slice(0, 1),
        server: { certificateId: first },
      });
    const counted = vi.spyOn(api.store, "domainsOnHosts");
    const move = async (mxHosts: string[], certificateId: string) => {
      const body = settings(mxHosts, certificateId);
      const refused = await api.expect(409, "PUT", "/v1/domains/a.example", { body, ...ANY });
      await api.expect(200, "PUT", "/v1/domains/a.example?sharedHosts=move", { body, ...ANY });
      const after = (await api.store.head()) - 1;
      const [change] = (await api.expect(200, "GET", `/v1/changes?after=${after}`)).json.items;
      expect(change.movedDomains.names).toHaveLength(200);
      const { names: _, ...count } = change.movedDomains;
      return [refused.json.detail, count];
    };
    const [one, exact] = await move(names, second);
    expect(one).toContain("that 230 other domains serve");
    expect(exact).toEqual({ count: 230 });
    await writer.putDomain({ name: "e.example", mxHosts: names, server: { certificateId: second } });
    const [several, least] = await move(names, first);
    expect(several).toContain("that at least 231 other domains serve");
    expect(least).toEqual({ count: 231, isAtLeast: true });
    expect(counted).not.toHaveBeenCalled();
  });

  it("names the hosts and the domains that it changed, and is found by each of them", async () => {
    const { api, first, second } = await moved();
    const moving = (await api.expect(200, "GET", "/v1/changes?after=4")).json.items;
    expect(moving).toMatchObject([
      {
        revision: 5,
        resource: { kind: "domain", id: "a.example" },
        before: { revision: 3, tls: { server: { certificateId: first } } },
        after: { revision: 5, tls: { server: { certificateId: second } } },
        mxHosts: [{ host: "mx.example", certificateBefore: first, certificateAfter: second }],
        movedDomains: { count: 1, names: ["b.example"] },
      },
    ]);
    const about = async (resource: string) =>
      (await api.expect(200, "GET", `/v1/changes?resource=${resource}`)).json.items.map(
        ({ revision }: { revision: number }) => revision,
      );
    expect(await about("domain/b.example")).toEqual([4, 5]);
    expect(await about("domain/a.example")).toEqual([3, 5]);
    expect(await about("domain/c.example")).toEqual([]);
    expect(await about(`certificate/${first}`)).toEqual([1]);
  });

  it("is not blamed on the moved domain's next change, which begins with what its readers saw", async () => {
    const { api, second } = await moved();
    const seen = (await read(api, "b.example")).json;
    const body = { tls: { enforcement: "defer" } };
    await api.expect(200, "PATCH", "/v1/domains/b.example", { body, ...ANY });
    await api.expect(204, "DELETE", "/v1/domains/b.example", ANY);
    const [change, deletion] = (await api.expect(200, "GET", "/v1/changes?after=5")).json.items;
    const { warnings: _, ...record } = seen;
    expect(change.before).toEqual(record);
    expect(change.after.tls.server.certificateId).toBe(second);
    expect(change).toMatchObject({ mxHosts: [] });
    expect(change.movedDomains).toBeUndefined();
    expect(deletion.before).toEqual(change.after);
  });

  it.each(["resource=domain", "resource=host/mx.example", "resource=domain/", "resource=domain/a/b"])(
    "refuses %s",
    async (query) => {
      const api = await startApi();
      await api.expect(400, "GET", `/v1/changes?${query}`);
    },
  );
});

describe("a write that changes nothing", () => {
  async function full() {
    const api = await startApi();
    const id = await certificate(api, ["mx.example"]);
    const body = { ...settings(["mx.example"], id), delivery: { nextHop: "smtp://next.example" } };
    await api.expect(201, "PUT", "/v1/domains/a.example", { body });
    return { api, id, domain: await read(api, "a.example") };
  }

  it.each([
    ["PUT", "a.example", ({ json }: { json: object }) => json],
    ["PATCH", "a.example", () => ({ tls: { enforcement: "reject" } })],
    ["PUT", "a.example/tls", ({ json }: { json: { tls?: object } }) => json.tls],
    ["PATCH", "a.example/tls", () => ({ enforcement: null })],
  ] as const)(
    "%s /v1/domains/%s: answers with the same revision and logs nothing",
    async (method, path, make) => {
      const { api, domain } = await full();
      for (const condition of ['"2"', "*"]) {
        const options = { body: make(domain), ...at(condition) };
        const { json, headers } = await api.expect(200, method, `/v1/domains/${path}`, options);
        expect(headers.get("etag")).toBe('"2"');
        expect(json).toEqual(path.endsWith("/tls") ? domain.json.tls : domain.json);
      }
      expect(await api.store.head()).toBe(2);
      await api.expect(412, method, `/v1/domains/${path}`, { body: make(domain), ...at('"1"') });
      await api.expect(428, method, `/v1/domains/${path}`, { body: make(domain) });
    },
  );

  it("answers so even where the same settings would be refused as new ones", async () => {
    const { api, domain } = await full();
    api.advance(20 * 365 * 24 * 3600 * 1000);
    await api.expect(200, "PUT", "/v1/domains/a.example", { body: domain.json, ...ANY });
    expect(await api.store.head()).toBe(2);
  });

  it("PATCH of a certificate with the label that it has", async () => {
    const { api, id } = await full();
    const path = `/v1/certificates/${id}`;
    const { json } = await api.expect(200, "PATCH", path, { body: { label: null }, ...at('"1"') });
    expect(json.revision).toBe(1);
    await api.expect(412, "PATCH", path, { body: { label: null }, ...at('"2"') });
    expect(await api.store.head()).toBe(2);
  });

  it("PUT of the material that is in service, with its key or without", async () => {
    const api = await startApi();
    const { certificatePem, privateKeyPem } = issueServer({ names: ["mx.example"] });
    const pem = { source: "pem", certificatePem, privateKeyPem };
    const made = await api.expect(201, "POST", "/v1/certificates", { body: pem });
    const path = `/v1/certificates/${made.json.id}`;
    for (const body of [pem, { source: "pem", certificatePem }]) {
      const { json } = await api.expect(200, "PUT", `${path}/material`, { body, ...at('"1"') });
      expect(json).toEqual(made.json);
    }
    expect(await api.store.head()).toBe(1);
    await api.expect(412, "PUT", `${path}/material`, { body: pem, ...at('"7"') });
    // A key that the vault has lost comes back with it, and edges are told.
    await api.vault.delete(materialName(made.json.id, 1), Number.POSITIVE_INFINITY);
    const { json } = await api.expect(200, "PUT", `${path}/material`, { body: pem, ...at('"1"') });
    expect(json).toMatchObject({ revision: 2, version: 2 });
    await api.expect(200, "GET", `${path}/chain.pem`);
  });

  it("PUT of a trust store with the content that it has; the vault is not written", async () => {
    const api = await startApi();
    const certificatesPem = makeCa().certificatePem;
    const body = { label: "x", certificatesPem };
    const made = await api.expect(201, "POST", "/v1/trust-stores", { body });
    const path = `/v1/trust-stores/${made.json.id}`;
    const put = vi.spyOn(api.vault, "put");
    expect((await api.expect(200, "PUT", path, { body, ...at('"1"') })).json).toEqual(made.json);
    await api.expect(412, "PUT", path, { body, ...at('"2"') });
    expect(put).not.toHaveBeenCalled();
    expect(await api.store.head()).toBe(1);
    await api.vault.delete(trustName(made.json.contentSha256), Number.POSITIVE_INFINITY);
    await api.expect(200, "PUT", path, { body, ...at('"1"') });
    expect((await api.expect(200, "GET", path)).json.revision).toBe(2);
  });
});
