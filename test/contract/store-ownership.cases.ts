import { expect, it, vi } from "vitest";
import type { Store } from "../../core/store/store.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { OTHER, publish, startTenants, THIRD } from "../support/tenants.ts";
import { everything, type StoreUnderTest } from "./store-under-test.ts";

const DAY_MS = 24 * 3600 * 1000;
const PATH = "/v1/domains/owned.example";
const NAME = "owned.example";

const namesIn = async (store: Store): Promise<readonly string[]> =>
  (await store.loadAll()).domains.map(({ name, account, pendingNames = [] }) =>
    [name, account, ...pendingNames.map((each) => each.name)].join(" "),
  );

/** Names that are pending, verified, and taken over: a name exists once whatever happens. */
export function ownershipCases(subject: () => StoreUnderTest): void {
  it("keeps pending names, which no snapshot has, until they are verified", async () => {
    const { store, other } = subject();
    const { api, records, served } = await startTenants({ store });
    const body = { mxHosts: ["mx.owned.example"] };
    const { json } = await api.expect(201, "PUT", PATH, { body, ...OTHER });
    expect(await namesIn(other)).toEqual(["owned.example other owned.example mx.owned.example"]);
    expect((await other.loadAll()).mxHosts).toEqual([]);
    expect(await served(NAME)).toBeUndefined();
    publish(records, json);
    await api.expect(200, "POST", `${PATH}/verify`, OTHER);
    expect(await namesIn(other)).toEqual(["owned.example other"]);
    expect((await other.loadAll()).mxHosts).toMatchObject([{ host: "mx.owned.example", domainCount: 1 }]);
    expect(await served(NAME)).toMatchObject({ mxHosts: ["mx.owned.example"] });
  });

  it("counts each domain of the account on a host that it claims late", async () => {
    const { store, other } = subject();
    const { api } = await startTenants({ store });
    const body = { mxHosts: ["mx.owned.example"] };
    for (const name of ["a.example", "b.example"]) {
      await api.expect(201, "PUT", `/v1/domains/${name}`, { body, ...OTHER });
    }
    await api.send("PUT", "/v1/accounts/other", { body: {} });
    const headers = { "Postern-Account": "other" };
    for (const [name, left] of [
      ["a.example", ["a.example other", "b.example other b.example mx.owned.example"]],
      ["b.example", ["a.example other", "b.example other"]],
    ] as const) {
      await api.expect(200, "POST", `/v1/domains/${name}/confirm`, { headers });
      expect((await namesIn(other)).toSorted()).toEqual(left);
      expect((await other.loadAll()).mxHosts).toMatchObject([{ domainCount: 2 }]);
    }
    for (const name of ["a.example", "b.example"])
      await api.expect(204, "DELETE", `/v1/domains/${name}`, { headers: { "If-Match": "*" }, ...OTHER });
    expect((await other.loadAll()).mxHosts).toEqual([]);
  });

  it("gives a pending name to the account that proves it, once, with an entry for each account", async () => {
    const { store, other } = subject();
    const { api, records, served } = await startTenants({ store });
    await api.expect(201, "PUT", PATH, { body: { mxHosts: ["mx.owned.example"] }, ...OTHER });
    const refused = await api.expect(409, "PUT", PATH, { body: {}, ...THIRD });
    const [, value = ""] = /value (\S+)/.exec(refused.json.errors[0].message) ?? [];
    records.set("_postern.owned.example", [value]);
    await api.expect(201, "PUT", PATH, { body: {}, ...THIRD });
    expect(await namesIn(other)).toEqual(["owned.example third"]);
    expect(await served(NAME)).toMatchObject({ account: "third" });
    const { entries } = await other.changesAfter(1, 10);
    expect(
      entries.map((each) => (each.kind === "entry" ? `${each.entry.action} ${each.entry.account}` : "")),
    ).toEqual(["delete other", "create third"]);
  });

  it("has one account's name when two create it at once, and after its time is over", async () => {
    const { store, other } = subject();
    const { api } = await startTenants({ store });
    const both = () => Promise.all([OTHER, THIRD].map((as) => api.send("PUT", PATH, { body: {}, ...as })));
    expect((await both()).map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409]);
    expect(await namesIn(other)).toHaveLength(1);
    api.advance(7 * DAY_MS + 1);
    await both();
    expect(await namesIn(other)).toHaveLength(1);
  });

  it("takes a pending name in one transaction: it is the one account's or the other's at every moment", async () => {
    const { store, other } = subject();
    const { api, records } = await startTenants({ store });
    const body = { mxHosts: ["mx1.owned.example", "mx2.owned.example"], labels: { of: "other" } };
    const { json } = await api.expect(201, "PUT", PATH, { body, ...OTHER });
    // Hosts that are verified have items, which the account that takes the name claims then.
    publish(records, { ownership: { ...json.ownership, record: "", hosts: json.ownership.hosts } });
    await api.expect(200, "POST", `${PATH}/verify`, OTHER);
    expect((await other.loadAll()).mxHosts).toHaveLength(2);
    const commitAll = vi.spyOn(store, "commitAll");
    const root = await startTenants({ store });
    await root.api.expect(201, "PUT", PATH, { body: { mxHosts: ["mx1.owned.example"] } });
    const stored = await Promise.all(commitAll.mock.results.map(({ value }) => value));
    expect(stored.map((entries) => entries.length)).toEqual([2]);
    expect(await namesIn(other)).toEqual(["owned.example default"]);
    expect((await other.loadAll()).mxHosts).toMatchObject([
      { host: "mx1.owned.example", account: "default" },
    ]);
    expect(await other.getDomain(parseDomainName(NAME))).toMatchObject({ account: "default", labels: {} });
    const lists = await Promise.all(
      ["default", "other"].map((account) => other.listDomains({ account }, { limit: 9 })),
    );
    expect(lists.map(({ items }) => items.map(({ name }) => name))).toEqual([[NAME], []]);
  });

  it("stores nothing of a series that is whole or nothing, where a quota has no room for its last write", async () => {
    const { store, other } = subject();
    const { api, records } = await startTenants({ store });
    await api.expect(201, "PUT", "/v1/accounts/third", { body: { quotas: { domains: 0 } } });
    await api.expect(201, "PUT", PATH, { body: { mxHosts: ["mx.owned.example"] }, ...OTHER });
    const refused = await api.expect(409, "PUT", PATH, { body: {}, ...THIRD });
    const [, value = ""] = /value (\S+)/.exec(refused.json.errors[0].message) ?? [];
    records.set("_postern.owned.example", [value]);
    const before = await everything(other);
    const { json } = await api.expect(422, "PUT", PATH, { body: {}, ...THIRD });
    expect(json.type).toBe("urn:postern:problem:quota-exceeded");
    expect(await everything(other)).toEqual(before);
  });
}
