import { afterEach, describe, expect, it, vi } from "vitest";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import {
  type ApiUnderTest,
  callerWith,
  inOtherAccount,
  OTHER_TOKEN,
  startApi,
} from "../../test/support/api.ts";
import { makeCa } from "../../test/support/pki.ts";
import type { CertificateId } from "../../core/name/ids.ts";
import type { Scope } from "../../core/access/scope.ts";

afterEach(() => vi.restoreAllMocks());

const ANY = { "If-Match": "*" };
const DOMAIN = "/v1/domains/a.example";

const revert = (api: ApiUnderTest, revision: number, headers: Readonly<Record<string, string>> = {}) =>
  api.send("POST", `/v1/changes/${revision}/revert`, { headers });

const reverted = async (api: ApiUnderTest, revision: number, headers = {}) => {
  const answer = await revert(api, revision, headers);
  expect(answer.status, answer.text).toBe(200);
  return answer.json.change;
};

const refused = async (api: ApiUnderTest, revision: number, headers = {}) => {
  const { status, problems } = await revert(api, revision, headers);
  return [status, ...problems];
};

const newest = async (api: ApiUnderTest): Promise<number> => api.store.head();

const certificate = async (api: ApiUnderTest, names = ["mx.a.example", "mx2.a.example"]): Promise<string> =>
  (await api.expect(201, "POST", "/v1/certificates", { body: { source: "self-signed", names } })).json.id;

const patch = (api: ApiUnderTest, path: string, body: object, query = "") =>
  api.expect(200, "PATCH", `${path}${query}`, { body, headers: ANY });

const read = async (api: ApiUnderTest, path: string) => (await api.expect(200, "GET", path)).json;

describe("a revert of a domain's change", () => {
  it("writes the settings of before as a new change by the caller", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { labels: { team: "mail" } } });
    const before = await read(api, DOMAIN);
    await patch(api, DOMAIN, { tls: { enforcement: "defer" }, labels: { team: null, tier: "1" } });
    const answer = await revert(api, 2);
    expect(answer.headers.get("etag")).toBe('"3"');
    expect(answer.json.change).toMatchObject({ revision: 3, action: "update", actor: "tester" });
    const { revision, updatedAt, ...settings } = await read(api, DOMAIN);
    expect({ ...settings, revision: 1, updatedAt: before.updatedAt }).toEqual(before);
    expect([revision, typeof updatedAt]).toEqual([3, "string"]);
    expect((await read(api, "/v1/changes?after=2")).items).toEqual([answer.json.change]);
  });

  it("deletes what the change created, creates what it deleted, and reverts reverts", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.a.example"] } });
    const answer = await revert(api, 1);
    expect(answer.headers.get("etag")).toBeNull();
    expect(answer.json.change).toMatchObject({ revision: 2, action: "delete", after: null });
    await api.expect(404, "GET", DOMAIN);
    expect(await reverted(api, 2)).toMatchObject({ revision: 3, action: "create" });
    expect(await read(api, DOMAIN)).toMatchObject({ mxHosts: ["mx.a.example"], revision: 3 });
    expect(await reverted(api, 3)).toMatchObject({ revision: 4, action: "delete" });
  });

  it("is 409 where the record was changed, deleted or created since, until a condition confirms it", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await patch(api, DOMAIN, { labels: { n: "2" } });
    await patch(api, DOMAIN, { labels: { n: "3" } });
    expect(await refused(api, 2)).toEqual([409, "changed-since /revision"]);
    expect(await refused(api, 1)).toEqual([409, "changed-since /revision"]);
    expect(await refused(api, 2, { "If-Match": '"2"' })).toEqual([412]);
    expect(await reverted(api, 2, { "If-Match": '"3"' })).toMatchObject({ revision: 4 });
    expect(await read(api, DOMAIN)).toMatchObject({ labels: {} });
    await api.expect(204, "DELETE", DOMAIN, { headers: ANY });
    expect(await refused(api, 4)).toEqual([409, "changed-since /revision"]);
    expect(await refused(api, 4, ANY)).toEqual([412]);
    expect(await reverted(api, 4, { "If-None-Match": "*" })).toMatchObject({ action: "create" });
    expect(await read(api, DOMAIN)).toMatchObject({ labels: { n: "3" } });
    expect(await refused(api, 5)).toEqual([409, "changed-since /revision"]);
    expect(await newest(api)).toBe(6);
  });

  it("writes nothing where the record is as before already", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    await patch(api, DOMAIN, { labels: { n: "2" } });
    await patch(api, DOMAIN, { labels: { n: null } });
    expect(await reverted(api, 2, ANY)).toBeNull();
    expect(await newest(api)).toBe(3);
  });

  it("follows the rules of now, with pointers to the revision", async () => {
    const api = await startApi();
    const until = new Date(api.clock.now() + 3_600_000).toISOString();
    const exception = {
      reason: "a partner",
      match: { clientCidr: "192.0.2.0/24" },
      level: "none",
      expiresAt: until,
    };
    const id = await certificate(api);
    const put = await api.send("PUT", DOMAIN, {
      body: {
        mxHosts: ["mx.a.example"],
        tls: { server: { level: "require", certificateId: id }, exceptions: [exception] },
      },
    });
    expect(put.status, put.text).toBe(201);
    await api.expect(204, "DELETE", DOMAIN, { headers: ANY });
    await api.expect(204, "DELETE", `/v1/certificates/${id}`, { headers: ANY });
    api.advance(7_200_000);
    expect(await refused(api, 3)).toEqual([422, "expires-in-past /revision"]);
    api.advance(-7_200_000);
    expect(await refused(api, 3)).toEqual([422, "unknown-certificate /revision"]);
    await api.expect(201, "PUT", DOMAIN, { body: {}, ...(await inOtherAccount(api)) });
    expect(await refused(api, 3)).toEqual([409, "name-taken /revision"]);
  });

  it("moves hosts that others share only with sharedHosts=move", async () => {
    const api = await startApi();
    const [first, second] = [await certificate(api), await certificate(api)];
    const served = (id: string) => ({
      body: { mxHosts: ["mx.a.example"], tls: { server: { level: "require", certificateId: id } } },
    });
    await api.expect(201, "PUT", DOMAIN, served(first));
    await api.expect(201, "PUT", "/v1/domains/b.example", served(first));
    await patch(api, DOMAIN, { tls: { server: { certificateId: second } } }, "?sharedHosts=move");
    expect(await refused(api, 5)).toEqual([409, "shared-host /revision"]);
    const { json: shared } = await revert(api, 5);
    expect(shared.detail).toContain(`on mx.a.example from ${second} to ${first}`);
    expect(shared.detail).toContain(`certificateId ${second} changes nothing`);
    const { json } = await api.expect(200, "POST", "/v1/changes/5/revert?sharedHosts=move");
    expect(json.change.movedDomains).toEqual({ count: 1, names: ["b.example"] });
    expect((await read(api, "/v1/domains/b.example")).tls.server.certificateId).toBe(first);
  });

  it("is not possible where hosts of the domain had different certificates", async () => {
    const api = await startApi();
    const [first, second] = [await certificate(api), await certificate(api)];
    const served = (id: string, mxHosts: string[]) => ({
      body: { mxHosts, tls: { server: { level: "require", certificateId: id } } },
    });
    await api.expect(201, "PUT", DOMAIN, served(first, ["mx.a.example", "mx2.a.example"]));
    await api.expect(201, "PUT", "/v1/domains/b.example", served(first, ["mx2.a.example"]));
    await patch(
      api,
      "/v1/domains/b.example",
      { tls: { server: { certificateId: second } } },
      "?sharedHosts=move",
    );
    await api.expect(204, "DELETE", DOMAIN, { headers: ANY });
    expect(await refused(api, 6)).toEqual([409, "not-revertible /revision"]);
  });

  it.each([
    ["an update", true],
    ["a creation", false],
  ])(
    "is not possible for %s that moved a host it leaves, until the host has its certificate again",
    async (_, isUpdate) => {
      const api = await startApi();
      const id = await certificate(api);
      const serving = { mxHosts: ["mx.a.example"], tls: { server: { certificateId: id } } };
      await api.expect(201, "PUT", DOMAIN, { body: serving });
      const taker = "/v1/domains/b.example";
      if (isUpdate) await api.expect(201, "PUT", taker, { body: { mxHosts: ["mx.b.example"] } });
      const body = { mxHosts: ["mx.a.example"] };
      const status = isUpdate ? 200 : 201;
      const headers = isUpdate ? ANY : {};
      await api.expect(status, "PUT", `${taker}?sharedHosts=move`, { body, headers });
      const moved = await newest(api);
      expect((await read(api, DOMAIN)).tls.server.certificateId).toBeNull();
      const { json } = await api.expect(409, "POST", `/v1/changes/${moved}/revert?sharedHosts=move`);
      expect(json.errors).toMatchObject([{ code: "not-revertible", pointer: "/revision" }]);
      expect(json.detail).toContain(`mx.a.example served ${id}`);
      expect(await newest(api)).toBe(moved);
      await patch(api, DOMAIN, { tls: { server: { certificateId: id } } }, "?sharedHosts=move");
      await reverted(api, moved, ANY);
      expect((await read(api, DOMAIN)).tls.server.certificateId).toBe(id);
      expect(await api.store.useCount("certificate", id as CertificateId)).toBe(1);
    },
  );

  it("reverts each change of a batch by itself", async () => {
    const api = await startApi();
    const items = ["a", "b", "a"].map((name, n) => ({
      name: `${name}.example`,
      ...(n === 2 ? { ifMatch: "*" } : {}),
      put: { labels: { n: String(n) } },
    }));
    await api.expect(200, "POST", "/v1/domains:batch", { body: { items } });
    const { items: changes } = await read(api, "/v1/changes");
    expect(
      changes.map(({ revision, action, resource, diff }: Record<string, unknown>) => ({
        revision,
        action,
        resource,
        paths: (diff as { path: string }[]).map(({ path }) => path).filter((path) => path.startsWith("/l")),
      })),
    ).toEqual([
      { revision: 1, action: "create", resource: { kind: "domain", id: "a.example" }, paths: [] },
      { revision: 2, action: "create", resource: { kind: "domain", id: "b.example" }, paths: [] },
      { revision: 3, action: "update", resource: { kind: "domain", id: "a.example" }, paths: ["/labels/n"] },
    ]);
    await reverted(api, 3);
    expect(await read(api, DOMAIN)).toMatchObject({ labels: { n: "0" } });
    await reverted(api, 2);
    await api.expect(404, "GET", "/v1/domains/b.example");
  });
});

describe("a revert of a certificate's change", () => {
  it("writes label, labels and the key policy back, and nothing else", async () => {
    const api = await startApi();
    const path = `/v1/certificates/${await certificate(api)}`;
    await patch(api, path, { label: "x", labels: { team: "mail" }, renewal: { key: "new" } });
    await reverted(api, 2);
    expect(await read(api, path)).toMatchObject({ label: null, labels: {}, renewal: { key: "keep" } });
    await api.expect(200, "POST", `${path}/renew`, { headers: ANY });
    expect(await refused(api, 4)).toEqual([409, "not-revertible /revision"]);
    await reverted(api, 2, ANY);
    expect((await read(api, path)).version).toBe(2);
  });

  it("deletes what the change created unless it is in use, and does not bring a deleted one back", async () => {
    const api = await startApi();
    const id = await certificate(api);
    const tls = { server: { level: "require", certificateId: id } };
    await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.a.example"], tls } });
    expect(await refused(api, 1)).toEqual([409, "in-use "]);
    await api.expect(204, "DELETE", DOMAIN, { headers: ANY });
    expect(await reverted(api, 1)).toMatchObject({ action: "delete", resource: { kind: "certificate" } });
    expect(await refused(api, 4)).toEqual([409, "not-revertible /revision"]);
  });
});

describe("a revert of a trust store's change", () => {
  const [one, two] = [makeCa(), makeCa()];

  it("writes certificates, label and labels back, and creates a deleted one under its id", async () => {
    const api = await startApi();
    const { json: made } = await api.expect(201, "POST", "/v1/trust-stores", {
      body: { certificatesPem: one.certificatePem, label: "one" },
    });
    const path = `/v1/trust-stores/${made.id}`;
    const body = { certificatesPem: two.certificatePem, label: "two", labels: { n: "2" } };
    await api.expect(200, "PUT", path, { body, headers: ANY });
    await reverted(api, 2);
    expect(await read(api, path)).toMatchObject({
      certificatesPem: made.certificatesPem,
      label: "one",
      labels: {},
    });
    await api.expect(204, "DELETE", path, { headers: ANY });
    expect(await reverted(api, 4)).toMatchObject({ action: "create" });
    expect(await read(api, path)).toMatchObject({ certificatesPem: made.certificatesPem, label: "one" });
    expect(await reverted(api, 5)).toMatchObject({ action: "delete" });
  });

  it("is not possible once the content is deleted from the vault", async () => {
    const api = await startApi();
    const { json: made } = await api.expect(201, "POST", "/v1/trust-stores", {
      body: { certificatesPem: one.certificatePem },
    });
    await api.expect(204, "DELETE", `/v1/trust-stores/${made.id}`, { headers: ANY });
    const vault = api.vault as unknown as Parameters<typeof cleanUpKeys>[0]["vault"];
    const done = await cleanUpKeys({
      vault,
      contents: () => api.store.loadAll(),
      nowMs: Date.now() + 48 * 3_600_000,
    });
    expect(done).toMatchObject({ deleted: [expect.stringContaining("trust/")] });
    expect(await refused(api, 2)).toEqual([409, "not-revertible /revision"]);
  });
});

describe("a revert while another process writes", () => {
  /** As another process on the same store. */
  const besideOf = ({ database, vault, access }: ApiUnderTest) =>
    startApi({ store: new SqliteStore(database), vault, access });

  /** What `write` does comes after the first read of the head that follows. */
  function interleave(api: ApiUnderTest, write: () => Promise<unknown>): void {
    const { store } = api;
    const present = store.head.bind(store);
    vi.spyOn(store, "head").mockImplementationOnce(async () => {
      const found = await present();
      await write();
      return found;
    });
  }

  /** A record that was created and changed, and the request that changes it back. */
  const RECORDS = {
    domain: async (api: ApiUnderTest) => {
      await api.expect(201, "PUT", DOMAIN, { body: {} });
      await patch(api, DOMAIN, { labels: { n: "2" } });
      return (beside: ApiUnderTest) => patch(beside, DOMAIN, { labels: { n: null } });
    },
    certificate: async (api: ApiUnderTest) => {
      const path = `/v1/certificates/${await certificate(api)}`;
      await patch(api, path, { labels: { n: "2" } });
      return (beside: ApiUnderTest) => patch(beside, path, { labels: { n: null } });
    },
    "trust store": async (api: ApiUnderTest) => {
      const body = { certificatesPem: makeCa().certificatePem };
      const path = `/v1/trust-stores/${(await api.expect(201, "POST", "/v1/trust-stores", { body })).json.id}`;
      const put = (of: ApiUnderTest, labels: object) =>
        of.expect(200, "PUT", path, { body: { ...body, labels }, headers: ANY });
      await put(api, { n: "2" });
      return (beside: ApiUnderTest) => put(beside, {});
    },
  };

  it.each(Object.entries(RECORDS))(
    "shows no entry of that one as its own where it wrote the same %s",
    async (_, make) => {
      const api = await startApi();
      const changeBack = await make(api);
      const beside = await besideOf(api);
      interleave(api, () => changeBack(beside));
      expect(await reverted(api, 2, ANY)).toBeNull();
      expect(await newest(api)).toBe(3);
    },
  );

  it.each(Object.entries(RECORDS))(
    "shows its own entry where that one wrote beside the %s",
    async (_, make) => {
      const api = await startApi();
      await make(api);
      const beside = await besideOf(api);
      interleave(api, () => beside.expect(201, "PUT", "/v1/domains/b.example", { body: {} }));
      expect(await reverted(api, 2)).toMatchObject({ revision: 4, after: { revision: 4 }, action: "update" });
      expect((await read(api, "/v1/changes?after=2&limit=1")).items[0].resource.id).toBe("b.example");
    },
  );
});

describe("who may revert what", () => {
  const apiWith = (scopes: readonly Scope[]) =>
    startApi(
      {},
      () => (request) =>
        request.headers.get("authorization")?.includes("another") === true
          ? callerWith({ account: "other" })
          : callerWith({
              scopes: request.method === "POST" && request.url.includes("revert") ? scopes : ["operator"],
            }),
    );

  it.each([
    ["domain", "domains:write"],
    ["certificate", "certificates:write"],
    ["trust-store", "trust-stores:write"],
  ] as const)("a change of a %s needs changes:read and %s", async (kind, scope) => {
    const others = (["domains:write", "certificates:write", "trust-stores:write"] as const).filter(
      (each) => each !== scope,
    );
    for (const [scopes, missing] of [
      [["changes:read", ...others], scope],
      [[scope], "changes:read"],
      [["changes:read", scope], null],
    ] as const) {
      const api = await apiWith(scopes);
      if (kind === "domain") await api.expect(201, "PUT", DOMAIN, { body: {} });
      if (kind === "certificate") await certificate(api);
      const body = { certificatesPem: makeCa().certificatePem };
      if (kind === "trust-store") await api.expect(201, "POST", "/v1/trust-stores", { body });
      const { status, json } = await revert(api, 1);
      expect([status, json.scope]).toEqual(missing === null ? [200, undefined] : [403, missing]);
      expect(await newest(api)).toBe(missing === null ? 2 : 1);
    }
  });

  it("is 404 for a change of another account, as for one that does not exist; 410 for one not kept", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {}, token: OTHER_TOKEN });
    const [theirs, absent, zero] = [await revert(api, 1), await revert(api, 2), await revert(api, 0)];
    const shape = ({ status, json }: typeof theirs, revision: number) => [
      status,
      json.detail.replace(`change ${revision} `, ""),
    ];
    expect(shape(theirs, 1)).toEqual([404, "not found"]);
    expect(shape(absent, 2)).toEqual(shape(theirs, 1));
    expect(shape(zero, 0)).toEqual(shape(theirs, 1));
    await api.expect(400, "POST", "/v1/changes/x/revert");
    api.database.run("DELETE FROM log");
    expect(await refused(api, 1)).toEqual([410, "gone /revision"]);
  });

  it("is 409 for an entry that cannot be read", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    api.database.run("UPDATE log SET entry = '{'");
    expect((await revert(api, 1)).json.type).toBe("urn:postern:problem:unreadable");
  });
});
