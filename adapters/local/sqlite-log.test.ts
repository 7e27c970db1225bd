import { describe, expect, it, vi } from "vitest";
import { commitOf, Writer } from "../../test/contract/store-under-test.ts";
import { domainRecord } from "../../test/support/records.ts";
import { openDatabase } from "./database.ts";
import { LOG_KEPT_MS, SqliteStore } from "./sqlite-store.ts";

const NOW = Date.parse("2026-11-24T12:00:00.000Z");

describe("a poll of SQLite", () => {
  it("without news is one read, by key", async () => {
    const database = openDatabase(":memory:");
    const store = new SqliteStore(database);
    for (const n of [1, 2, 3]) await new Writer(store).putDomain({ name: `d${n}.example` });
    const [get, all] = [vi.spyOn(database, "get"), vi.spyOn(database, "all")];
    expect(await store.changesAfter(3, 100)).toEqual({ entries: [], head: 3 });
    expect(get).toHaveBeenCalledTimes(1);
    expect(all).not.toHaveBeenCalled();
  });

  it.each([
    "SELECT revision, entry FROM log WHERE revision > 1 AND revision <= 9 ORDER BY revision LIMIT 5",
    "SELECT revision, entry FROM log WHERE revision < 9 AND revision <= 9 ORDER BY revision DESC LIMIT 5",
    "SELECT id, record FROM domain WHERE account = 'a' AND id >= 'b' AND id < 'c' AND id > '' ORDER BY id LIMIT 5",
    "SELECT * FROM mx_host WHERE certificate_id = 'x' ORDER BY host",
    "SELECT domain FROM domain_host WHERE host = 'h' AND account = 'a' ORDER BY domain LIMIT 5",
    "SELECT domain FROM domain_trust_store WHERE trust_store = 't' ORDER BY domain LIMIT 5",
    "SELECT count(DISTINCT domain) FROM domain_host WHERE account = 'a' AND host IN (SELECT value FROM json_each('[]'))",
  ])("and lists search an index and never the whole table: %s", (sql) => {
    const plan = openDatabase(":memory:").all(`EXPLAIN QUERY PLAN ${sql}`);
    const steps = plan.map((row) => String(row["detail"]));
    expect(steps.filter((step) => step.startsWith("SCAN") && !step.includes("json_each"))).toEqual([]);
    expect(steps.some((step) => step.startsWith("SEARCH"))).toBe(true);
  });
});

describe("the log on SQLite", () => {
  async function withEntriesAt(...ages: number[]): Promise<SqliteStore> {
    const store = new SqliteStore(openDatabase(":memory:"));
    for (const [index, ageMs] of ages.entries()) {
      const after = domainRecord({ name: `d${index}.example` });
      const at = new Date(NOW - ageMs).toISOString();
      await store.commit(
        commitOf({ kind: "domain", id: after.name, before: null, after }, { at, expectedHead: index }),
      );
    }
    return store;
  }
  const revisions = async (store: SqliteStore) =>
    (await store.changesAfter(0, 100)).entries.map((item) =>
      item.kind === "entry" ? item.entry.revision : null,
    );

  it("loses what is older than 90 days, from its beginning, and goes on counting", async () => {
    const store = await withEntriesAt(LOG_KEPT_MS + 2, LOG_KEPT_MS + 1, LOG_KEPT_MS, 1000);
    store.removeOldEntries(NOW);
    expect(await revisions(store)).toEqual([3, 4]);
    expect((await store.loadAll()).domains).toHaveLength(4);
    expect((await new Writer(store).putDomain({ name: "new.example" })).revision).toBe(5);
  });

  it("keeps an old entry behind a newer one: a clock that was set back makes no gap", async () => {
    const store = await withEntriesAt(LOG_KEPT_MS + 1, 1000, LOG_KEPT_MS + 1, 1000);
    store.removeOldEntries(NOW);
    expect(await revisions(store)).toEqual([2, 3, 4]);
  });

  it("may become empty: the head stays", async () => {
    const store = await withEntriesAt(LOG_KEPT_MS + 1, LOG_KEPT_MS + 1);
    store.removeOldEntries(NOW);
    expect(await store.changesAfter(2, 10)).toEqual({ entries: [], head: 2 });
    expect(await store.changesAfter(0, 10)).toEqual({ entries: [], head: 2 });
  });
});
