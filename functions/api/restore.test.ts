import { describe, expect, it } from "vitest";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import { cleanUpKeys } from "../../core/management/key-clean-up.ts";
import { trustName } from "../../core/store/key-vault.ts";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { hoursFromNow } from "../../test/support/certificate-writer.ts";
import { makeCrl } from "../../test/support/crl-writer.ts";
import { makeCa } from "../../test/support/pki.ts";

const ALL = "/v1/trust-stores";
const HERE = { headers: { "If-Match": "*" } };
const DAY_MS = 24 * 3600 * 1000;
const cas = [makeCa({ name: "First Root" }), makeCa({ name: "Second Root" })];
const pemOf = (index: number): string => cas[index]?.certificatePem ?? "";

async function create(api: ApiUnderTest): Promise<string> {
  const body = { label: "partners", certificatesPem: pemOf(0) };
  return `${ALL}/${(await api.expect(201, "POST", ALL, { body })).json.id}`;
}

const put = (api: ApiUnderTest, path: string, body: object) =>
  api.expect(200, "PUT", path, { body: { label: "partners", ...body }, ...HERE });

const restore = (
  api: ApiUnderTest,
  path: string,
  { revision, status = 200, headers = HERE.headers }: { revision: number; status?: number; headers?: object },
) => api.expect(status, "POST", `${path}/restore`, { body: { revision }, headers: { ...headers } });

/** The clean-up two days later, when everything that no record names goes. */
const cleanUpLater = (api: ApiUnderTest) => {
  if (!(api.vault instanceof FileKeyVault)) throw new TypeError("the API under test has another vault");
  const nowMs = Date.now() + 2 * DAY_MS;
  return cleanUpKeys({ vault: api.vault, contents: () => api.store.loadAll(), nowMs });
};

describe("the earlier content of a trust store", () => {
  it("comes back by its revision, and that is undone in the same way, also after a clean-up of keys", async () => {
    const api = await startApi();
    const path = await create(api);
    const first = (await api.expect(200, "GET", path)).json;
    expect(first.previous).toEqual([]);
    const changed = (await put(api, path, { certificatesPem: pemOf(1) })).json;
    expect(changed.previous).toEqual([
      { revision: 1, contentSha256: first.contentSha256, replacedAt: changed.updatedAt },
    ]);
    expect(await cleanUpLater(api)).toEqual({ kind: "done", deleted: [] });
    const restored = await restore(api, path, { revision: 1, headers: { "If-Match": '"2"' } });
    expect(restored.headers.get("etag")).toBe('"3"');
    const { anchors, certificatesPem, crlPem, contentSha256, label } = first;
    expect(restored.json).toMatchObject({ anchors, certificatesPem, crlPem, contentSha256, label });
    expect((await api.expect(200, "GET", path)).json).toEqual(restored.json);
    const [change] = (await api.expect(200, "GET", "/v1/changes?order=desc")).json.items;
    expect(change).toMatchObject({
      revision: 3,
      action: "update",
      before: { revision: 2 },
      after: { contentSha256 },
    });
    const again = await restore(api, path, { revision: 2 });
    expect(again.json.contentSha256).toBe(changed.contentSha256);
    expect(again.json.previous.map((each: { revision: number }) => each.revision)).toEqual([3, 2, 1]);
  });

  it("leaves the label, and takes no revision when it is the present one", async () => {
    const api = await startApi();
    const path = await create(api);
    await put(api, path, { certificatesPem: pemOf(1) });
    const renamed = await put(api, path, { certificatesPem: pemOf(1), label: "renamed" });
    expect(renamed.json.previous).toHaveLength(1);
    expect((await restore(api, path, { revision: 3 })).json).toEqual(renamed.json);
    const { json } = await restore(api, path, { revision: 1 });
    expect(json).toMatchObject({ label: "renamed", revision: 4 });
    expect((await restore(api, path, { revision: 1 })).headers.get("etag")).toBe('"4"');
  });

  it("is kept ten times, and what is older goes with the next clean-up: 410 with what is kept", async () => {
    const api = await startApi();
    const path = await create(api);
    const { contentSha256 } = (await api.expect(200, "GET", path)).json;
    for (let change = 1; change <= 11; change += 1)
      await put(api, path, { certificatesPem: makeCa().certificatePem });
    const { json } = await api.expect(200, "GET", path);
    expect(json.previous.map((each: { revision: number }) => each.revision)).toEqual([
      11, 10, 9, 8, 7, 6, 5, 4, 3, 2,
    ]);
    expect(await cleanUpLater(api)).toEqual({ kind: "done", deleted: [trustName(contentSha256)] });
    const gone = await restore(api, path, { revision: 1, status: 410 });
    expect(gone.problems).toEqual(["gone /revision"]);
    expect(gone.json.detail).toContain("restored to 11, 10, 9, 8, 7, 6, 5, 4, 3, 2");
    await restore(api, path, { revision: 2 });
  });

  it("is 404 for a revision that is not reached, and for another account", async () => {
    const api = await startApi();
    const path = await create(api);
    const missing = await restore(api, path, { revision: 9, status: 404 });
    expect(missing.problems).toEqual(["unknown-revision /revision"]);
    expect(missing.json.detail).toContain("restored to none before");
    await api.expect(404, "POST", `${path}/restore`, { body: { revision: 1 }, token: OTHER_TOKEN, ...HERE });
    await api.expect(404, "POST", `${ALL}/trust_01ARZ3NDEKTSV4RRFFQ69G5FAV/restore`, {
      body: { revision: 1 },
      ...HERE,
    });
  });

  it.each([
    [{}, 428],
    [{ "If-Match": '"1"' }, 412],
    [{ "If-None-Match": "*" }, 412],
  ])("is not brought back with the condition %j", async (headers, status) => {
    const api = await startApi();
    const path = await create(api);
    await put(api, path, { certificatesPem: pemOf(1) });
    const refused = await restore(api, path, { revision: 1, status, headers });
    expect(refused.headers.get("etag")).toBe('"2"');
    expect((await api.expect(200, "GET", path)).headers.get("etag")).toBe('"2"');
  });

  it("is judged by the rules of today, and they point to the revision", async () => {
    const api = await startApi();
    const [first] = cas;
    if (first === undefined) throw new TypeError("no CA");
    const expiring = makeCa({ notAfter: hoursFromNow(1) });
    const body = { certificatesPem: pemOf(0), crlPem: makeCrl({ ca: first, nextUpdate: hoursFromNow(1) }) };
    const { json } = await api.expect(201, "POST", ALL, { body });
    const path = `${ALL}/${json.id}`;
    await put(api, path, { certificatesPem: expiring.certificatePem });
    await put(api, path, { certificatesPem: pemOf(1) });
    const tls = {
      server: { level: "require" },
      clientCertificate: { mode: "require", trust: { trustStoreIds: [json.id] } },
    };
    await api.expect(201, "PUT", "/v1/domains/example.com", { body: { mxHosts: ["mx.example.com"], tls } });
    api.advance(2 * 3600 * 1000);
    for (const revision of [1, 2]) {
      const { problems } = await restore(api, path, { revision, status: 422 });
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(/ \/revision$/);
    }
    expect((await api.expect(200, "GET", path)).json.revision).toBe(3);
  });

  it("is 410 where an earlier release has cleaned its object up, and 409 while the record cannot be read", async () => {
    const api = await startApi();
    const path = await create(api);
    const { contentSha256 } = (await api.expect(200, "GET", path)).json;
    await put(api, path, { certificatesPem: pemOf(1) });
    await api.vault.delete(trustName(contentSha256), Number.POSITIVE_INFINITY);
    await restore(api, path, { revision: 1, status: 410 });
    api.database.run("UPDATE trust_store SET record = '{'");
    await restore(api, path, { revision: 1, status: 409 });
  });
});

describe("the settings before a change", () => {
  const DOMAIN = "/v1/domains/example.com";
  const newest = async (api: ApiUnderTest) =>
    (await api.expect(200, "GET", "/v1/changes?order=desc&limit=1")).json.items[0];

  it("come back by PUT of what the change log shows, also where the domain was deleted", async () => {
    const api = await startApi();
    const { json } = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx.example.com"] },
    });
    const tls = {
      server: { level: "require", certificateId: json.id },
      exceptions: [{ match: { clientCidr: "192.0.2.0/24" }, level: "accept", reason: "a customer" }],
    };
    const acknowledgedWarnings = ["rfc3207-public-mx"];
    const body = { mxHosts: ["mx.example.com"], tls, acknowledgedWarnings };
    const first = (await api.expect(201, "PUT", DOMAIN, { body })).json;
    await api.expect(200, "PUT", DOMAIN, { body: {}, ...HERE });
    const back = await api.expect(200, "PUT", DOMAIN, { body: (await newest(api)).before, ...HERE });
    const settings = { mxHosts: first.mxHosts, tls: first.tls, acknowledgedWarnings };
    expect(back.json).toMatchObject(settings);
    await api.expect(204, "DELETE", DOMAIN, HERE);
    const anew = await api.expect(201, "PUT", DOMAIN, { body: (await newest(api)).before });
    expect(anew.json).toMatchObject(settings);
  });
});
