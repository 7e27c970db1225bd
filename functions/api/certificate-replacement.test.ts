import { describe, expect, it } from "vitest";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { openDatabase } from "../../adapters/local/database.ts";
import { materialName } from "../../core/store/key-vault.ts";
import { isCertificateId } from "../../core/name/ids.ts";
import { Contention } from "../../core/errors.ts";
import {
  type ApiUnderTest,
  inOtherAccount,
  OTHER_TOKEN,
  type RequestOptions,
  startApi,
} from "../../test/support/api.ts";
import { TestIssuer } from "../../test/support/test-issuer.ts";

const ANY = { headers: { "If-Match": "*" } };
const AS_OTHER = { token: OTHER_TOKEN };
const DAY_MS = 24 * 3600 * 1000;

async function certificate(
  api: ApiUnderTest,
  names: readonly string[],
  { days = 100, ...options }: RequestOptions & { readonly days?: number } = {},
): Promise<string> {
  const body = { source: "self-signed", names, days };
  return (await api.expect(201, "POST", "/v1/certificates", { body, ...options })).json.id;
}

const serve = (
  api: ApiUnderTest,
  domain: string,
  { hosts, id, ...options }: RequestOptions & { readonly hosts: readonly string[]; readonly id: string },
) =>
  api.expect(201, "PUT", `/v1/domains/${domain}`, {
    body: { mxHosts: hosts, tls: { server: { certificateId: id } } },
    ...options,
  });

const replace = (
  api: ApiUnderTest,
  status: number,
  [id, other]: readonly [string, string],
  options: RequestOptions = ANY,
) => api.expect(status, "DELETE", `/v1/certificates/${id}?replaceWith=${encodeURIComponent(other)}`, options);

const read = async (api: ApiUnderTest, path: string, options: RequestOptions = {}) =>
  (await api.expect(200, "GET", path, options)).json;

interface Change {
  readonly action: string;
  readonly resource: { readonly id: string };
  readonly mxHosts: readonly unknown[];
}

const headOf = async (api: ApiUnderTest): Promise<number> => api.store.head();

/** Two certificates of the same names, the first on both hosts of one domain. */
async function twoCertificates() {
  const api = await startApi();
  const names = ["mx1.a.example", "mx2.a.example"];
  const old = await certificate(api, names);
  const other = await certificate(api, [...names, "more.a.example"]);
  await serve(api, "a.example", { hosts: names, id: old });
  return { api, old, other };
}

describe("DELETE of a certificate with replaceWith", () => {
  it("moves a host that serves 1,000 domains in one change, and each domain shows it", async () => {
    const api = await startApi();
    const old = await certificate(api, ["mx.example"]);
    const other = await certificate(api, ["mx.example"]);
    for (let n = 0; n < 1_000; n += 1) await serve(api, `d${n}.example`, { hosts: ["mx.example"], id: old });
    const shown = await api.expect(200, "GET", "/v1/domains/d999.example");
    const before = await headOf(api);
    await replace(api, 204, [old, other]);
    expect(await headOf(api)).toBe(before + 1);
    await api.expect(404, "GET", `/v1/certificates/${old}`);
    expect((await read(api, `/v1/certificates/${other}`)).usedBy).toMatchObject({ count: 1_000 });
    for (const domain of ["d0.example", "d500.example", "d999.example"]) {
      const { json, headers } = await api.expect(200, "GET", `/v1/domains/${domain}`);
      expect(json).toMatchObject({ revision: before + 1, tls: { server: { certificateId: other } } });
      expect(headers.get("etag")).not.toBe(shown.headers.get("etag"));
    }
    const stale = { headers: { "If-Match": shown.headers.get("etag") ?? "" } };
    await api.expect(412, "DELETE", "/v1/domains/d999.example", stale);
    const [entry] = (await read(api, "/v1/changes?order=desc&limit=1")).items;
    expect(entry).toMatchObject({
      action: "delete",
      kind: "certificate",
      resource: { kind: "certificate", id: old },
      mxHosts: [{ host: "mx.example", certificateBefore: old, certificateAfter: other }],
      movedDomains: { count: 1_000 },
      after: null,
    });
    expect(entry.movedDomains.names).toHaveLength(200);
    const ofLast = (await read(api, "/v1/changes?order=desc&limit=5&resource=domain/d999.example")).items;
    expect(ofLast[0]).toMatchObject({ revision: before + 1, action: "delete" });
  });

  it("moves every host of a certificate, of several domains", async () => {
    const { api, old, other } = await twoCertificates();
    await serve(api, "b.example", { hosts: ["mx1.a.example"], id: old });
    await replace(api, 204, [old, other]);
    for (const domain of ["a.example", "b.example"])
      expect((await read(api, `/v1/domains/${domain}`)).tls.server.certificateId).toBe(other);
    expect((await read(api, `/v1/certificates/${other}`)).usedBy).toEqual({
      count: 2,
      domains: ["a.example", "b.example"],
    });
  });

  it("deletes an unused one, and still wants a certificate to name", async () => {
    const api = await startApi();
    const [old, other] = [await certificate(api, ["mx.example"]), await certificate(api, ["x.example"])];
    const answer = await replace(api, 422, [old, "cert_01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    expect(answer.problems).toEqual(["unknown-certificate /replaceWith"]);
    await replace(api, 204, [old, other]);
    await api.expect(404, "GET", `/v1/certificates/${old}`);
  });

  it.each<[string, string, (api: ApiUnderTest, old: string) => Promise<string>]>([
    ["is itself", "replaces-itself", async (_api, old) => old],
    ["is not there", "unknown-certificate", async () => "cert_01ARZ3NDEKTSV4RRFFQ69G5FAV"],
    ["is no id at all", "unknown-certificate", async () => "../../etc/passwd"],
    ["is another account's", "unknown-certificate", (api) => certificate(api, ["*.a.example"], AS_OTHER)],
    ["misses a host", "certificate-misses-host", (api) => certificate(api, ["mx1.a.example"])],
    [
      "has expired",
      "certificate-expired",
      async (api) => {
        const id = await certificate(api, ["*.a.example"], { days: 1 });
        api.advance(2 * DAY_MS);
        return id;
      },
    ],
    [
      "is not valid yet",
      "certificate-not-yet-valid",
      async (api) => {
        api.advance(10 * DAY_MS);
        const id = await certificate(api, ["*.a.example"]);
        api.advance(-10 * DAY_MS);
        return id;
      },
    ],
    [
      "has lost its key",
      "does-not-load",
      async (api) => {
        const id = await certificate(api, ["*.a.example"]);
        if (isCertificateId(id)) await api.vault.delete(materialName(id, 1), Number.MAX_SAFE_INTEGER);
        return id;
      },
    ],
  ])("stores nothing when the other %s", async (_, code, make) => {
    const { api, old } = await twoCertificates();
    const id = await make(api, old);
    const before = await headOf(api);
    const answer = await replace(api, 422, [old, id]);
    expect(answer.problems).toEqual([`${code} /replaceWith`]);
    expect(answer.json.errors[0].in).toBe("query");
    expect(await headOf(api)).toBe(before);
    expect((await read(api, "/v1/domains/a.example")).tls.server.certificateId).toBe(old);
  });

  it("stores nothing when the other is not issued yet, or failed", async () => {
    const issuer = new TestIssuer();
    const api = await startApi({ issuer });
    const old = await certificate(api, ["mx.example.com"]);
    await serve(api, "a.example", { hosts: ["mx.example.com"], id: old });
    const body = { source: "acm", names: ["mx.example.com"], acceptCharges: true };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
    expect((await replace(api, 422, [old, id])).problems).toEqual(["certificate-not-issued /replaceWith"]);
  });

  it("needs If-Match, and the revision that it names", async () => {
    const { api, old, other } = await twoCertificates();
    await replace(api, 428, [old, other], {});
    await replace(api, 412, [old, other], { headers: { "If-Match": '"99"' } });
    await replace(api, 404, ["cert_01ARZ3NDEKTSV4RRFFQ69G5FAV", other]);
    await replace(api, 404, [old, other], { ...ANY, ...AS_OTHER });
    const etag = (await api.expect(200, "GET", `/v1/certificates/${old}`)).headers.get("etag") ?? "";
    await replace(api, 204, [old, other], { headers: { "If-Match": etag } });
  });

  it("refuses an empty, a repeated and an unknown parameter", async () => {
    const { api, old, other } = await twoCertificates();
    for (const query of ["replaceWith=", `replacewith=${other}`, `force=true`])
      await api.expect(400, "DELETE", `/v1/certificates/${old}?${query}`, ANY);
    await api.expect(409, "DELETE", `/v1/certificates/${old}`, ANY);
  });

  it("does not give an account's certificate to a host of the operator", async () => {
    const operatorHosts = new Set<string>();
    const api = await startApi({ operatorHosts });
    const old = await certificate(api, ["mx.late.example"], AS_OTHER);
    const other = await certificate(api, ["mx.late.example"], AS_OTHER);
    await serve(api, "o.example", { hosts: ["mx.late.example"], id: old, ...(await inOtherAccount(api)) });
    // SMTP_NAME changes under it.
    operatorHosts.add("mx.late.example");
    const answer = await replace(api, 409, [old, other], { ...ANY, ...AS_OTHER });
    expect(answer.problems).toEqual(["host-taken /replaceWith"]);
    expect((await read(api, "/v1/domains/o.example", AS_OTHER)).tls.server.certificateId).toBe(old);
  });

  it("ends the order at ACM, and only when the rest holds", async () => {
    const issuer = new TestIssuer();
    const api = await startApi({ issuer });
    const body = { source: "acm", names: ["mx.example.com"], acceptCharges: true };
    const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
    const other = await certificate(api, ["mx.example.com"]);
    await replace(api, 422, [id, id]);
    expect(issuer.arns).toEqual([`arn:test:${id}`]);
    await replace(api, 204, [id, other]);
    expect(issuer.arns).toEqual([]);
  });
});

describe("a certificate on more hosts than one change holds", () => {
  const HOSTS = 7;
  /** A store of three hosts a change; `afterEach` runs after every commit, which it may fail. */
  async function many(afterCommit: (commits: number) => void = () => undefined) {
    const database = openDatabase(":memory:");
    const inner = new SqliteStore(database);
    let commits = 0;
    const store = new Proxy(inner, {
      get: (target, key) => {
        if (key === "hostsPerCommit") return 3;
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        if (key !== "commit") return value.bind(target);
        return async (commit: Parameters<SqliteStore["commit"]>[0]) => {
          if (commit.record.kind === "certificate" && commit.hosts.length > 0) {
            commits += 1;
            afterCommit(commits);
          }
          return target.commit(commit);
        };
      },
    });
    const api = await startApi({ store });
    const hosts = Array.from({ length: HOSTS }, (_, n) => `mx${n}.example`);
    const old = await certificate(api, hosts);
    const other = await certificate(api, hosts);
    await serve(api, "a.example", { hosts, id: old });
    const servedBy = async (id: string) => (isCertificateId(id) ? api.store.useCount("certificate", id) : -1);
    return { api, old, other, hosts, servedBy };
  }

  it("goes in as few changes as hold them, the deletion in the last", async () => {
    const { api, old, other } = await many();
    const before = await headOf(api);
    await replace(api, 204, [old, other]);
    const { items } = await read(api, `/v1/changes?after=${before}`);
    expect(
      items.map(({ action, resource, mxHosts }: Change) => [action, resource.id, mxHosts.length]),
    ).toEqual([
      ["update", other, 3],
      ["update", other, 3],
      ["delete", old, 1],
    ]);
  });

  it("misses a host of a later change: nothing is moved", async () => {
    const { api, old, hosts } = await many();
    const short = await certificate(api, hosts.slice(0, -1));
    const before = await headOf(api);
    expect((await replace(api, 422, [old, short])).problems).toEqual([
      "certificate-misses-host /replaceWith",
    ]);
    expect(await headOf(api)).toBe(before);
  });

  it("is whole after a crash between two changes, and the same request ends it", async () => {
    const crash = { at: 2 };
    const { api, old, other, servedBy } = await many((commits) => {
      if (commits === crash.at) throw new TypeError("crash");
    });
    const etag = (await api.expect(200, "GET", `/v1/certificates/${old}`)).headers.get("etag") ?? "";
    await replace(api, 500, [old, other], { headers: { "If-Match": etag } });
    expect([await servedBy(old), await servedBy(other)]).toEqual([4, 3]);
    expect((await read(api, `/v1/certificates/${old}`)).state).toBe("active");
    await replace(api, 204, [old, other], { headers: { "If-Match": etag } });
    expect(await servedBy(other)).toBe(HOSTS);
  });

  it("tries a change again that another write came before", async () => {
    const { api, old, other, servedBy } = await many((commits) => {
      if (commits === 2) throw new Contention("taken");
    });
    await replace(api, 204, [old, other]);
    expect(await servedBy(other)).toBe(HOSTS);
  });
});
