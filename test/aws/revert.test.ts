import { expect, it, vi } from "vitest";
import { openAwsStores } from "../../adapters/aws/aws-stores.ts";
import type { Store } from "../../core/store/store.ts";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable } from "../support/aws/test-table.ts";
import { makeCa } from "../support/pki.ts";

const HERE = { headers: { "If-Match": "*" } };
const DOMAIN = "/v1/domains/a.example";

/** Runs with two processes of the API on one table. */
async function onTable(run: (api: ApiUnderTest, beside: ApiUnderTest) => Promise<void>): Promise<void> {
  const table = await createTestTable();
  const opened: ReturnType<typeof openAwsStores>[] = [];
  const open = (): Store => {
    const variables = { TABLE_NAME: table.name, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" };
    const stores = openAwsStores(variables, Date.now);
    opened.push(stores);
    return stores.store;
  };
  try {
    const api = await startApi({ store: open() });
    await run(api, await startApi({ store: open(), vault: api.vault }));
  } finally {
    for (const stores of opened) stores.close();
    await table.delete();
  }
}

const revert = async (api: ApiUnderTest, revision: number, options: object = {}) =>
  (await api.expect(200, "POST", `/v1/changes/${revision}/revert`, options)).json.change;
const patch = (api: ApiUnderTest, body: object) => api.expect(200, "PATCH", DOMAIN, { body, ...HERE });
const read = async (api: ApiUnderTest, path: string) => (await api.expect(200, "GET", path)).json;

describeOnAws("a revert on DynamoDB", () => {
  it("writes records of each kind back, and shows the entry that the log has", async () => {
    await onTable(async (api, beside) => {
      const { certificatePem } = makeCa();
      const signed = { source: "self-signed", names: ["mx.a.example"] };
      const certificate = (await api.expect(201, "POST", "/v1/certificates", { body: signed })).json;
      const trust = { certificatesPem: certificatePem, label: "one" };
      const store = (await api.expect(201, "POST", "/v1/trust-stores", { body: trust })).json;
      const tls = { server: { level: "require", certificateId: certificate.id } };
      await api.expect(201, "PUT", DOMAIN, { body: { mxHosts: ["mx.a.example"], tls } });
      const before = await read(api, DOMAIN);
      await patch(api, { tls: { enforcement: "defer" }, labels: { team: "mail" } });
      const [path, trustPath] = [`/v1/certificates/${certificate.id}`, `/v1/trust-stores/${store.id}`];
      await api.expect(200, "PATCH", path, { body: { label: "x" }, ...HERE });
      await api.expect(200, "PUT", trustPath, { body: { ...trust, label: "two" }, ...HERE });
      const changes = [await revert(api, 4), await revert(api, 5), await revert(api, 6)];
      expect(changes.map(({ revision, action }) => [revision, action])).toEqual([
        [7, "update"],
        [8, "update"],
        [9, "update"],
      ]);
      expect((await read(beside, "/v1/changes?after=6")).items).toEqual(changes);
      const { revision, updatedAt: _updatedAt, ...settings } = await read(beside, DOMAIN);
      expect(revision).toBe(7);
      expect(before).toMatchObject(settings);
      expect((await read(beside, path)).label).toBeNull();
      expect((await read(beside, trustPath)).label).toBe("one");
      await api.expect(204, "DELETE", DOMAIN, HERE);
      await api.expect(204, "DELETE", trustPath, HERE);
      expect(await revert(beside, 10)).toMatchObject({ revision: 12, action: "create" });
      expect(await revert(beside, 11)).toMatchObject({ revision: 13, action: "create" });
      expect(await read(api, DOMAIN)).toMatchObject({ mxHosts: ["mx.a.example"], tls });
      expect(await read(api, trustPath)).toMatchObject({
        label: "one",
        certificatesPem: store.certificatesPem,
      });
    });
  });

  it("shows its own entry alone while another process writes", async () => {
    await onTable(async (api, beside) => {
      await api.expect(201, "PUT", DOMAIN, { body: {} });
      await patch(api, { labels: { n: "2" } });
      const read0 = api.store.getDomainWithHosts.bind(api.store);
      vi.spyOn(api.store, "getDomainWithHosts").mockImplementationOnce(async (name) => {
        await patch(beside, { labels: { n: null } });
        return read0(name);
      });
      expect(await revert(api, 2, HERE)).toBeNull();
      expect(await api.store.head()).toBe(3);
      await patch(api, { labels: { n: "4" } });
      vi.spyOn(api.store, "getDomainWithHosts").mockImplementationOnce(async (name) => {
        const found = await read0(name);
        await beside.expect(201, "PUT", "/v1/domains/b.example", { body: {} });
        return found;
      });
      const change = await revert(api, 4);
      expect(change).toMatchObject({ revision: 6, resource: { id: "a.example" }, action: "update" });
      expect((await api.send("POST", "/v1/changes/2/revert")).problems).toEqual(["changed-since /revision"]);
      vi.restoreAllMocks();
    });
  });
});
