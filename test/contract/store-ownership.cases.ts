import { expect, it } from "vitest";
import type { Store } from "../../core/store/store.ts";
import { OTHER, publish, startTenants, THIRD } from "../support/tenants.ts";
import type { StoreUnderTest } from "./store-under-test.ts";

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
}
