import { expect, it } from "vitest";
import { QuotaExceeded } from "../../core/errors.ts";
import { commitWithRetry } from "../../core/store/commit-with-retry.ts";
import type { Commit, CommitSeries, RecordChange, Store } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { commitOf, EFFECTS, type StoreUnderTest, Writer } from "./store-under-test.ts";

const creation = (id: string, account = "tenant"): RecordChange => {
  const after = domainRecord({ name: id, account });
  return { kind: "domain", id: after.name, before: null, after };
};

/** As services write: planned at a head, and again where another write came in between. */
async function create(store: Store, record: RecordChange, quota: number | null): Promise<string> {
  const plan = async (expectedHead: number) => ({
    commit: commitOf(record, { quota, expectedHead }),
    result: null,
  });
  try {
    await commitWithRetry(store, plan, EFFECTS);
    return "stored";
  } catch (error) {
    if (!(error instanceof QuotaExceeded)) throw error;
    return `${error.quota}: ${error.count} of ${error.limit}`;
  }
}

/** How many records of its kind an account may have. */
export function quotaCases(subject: () => StoreUnderTest): void {
  it("leaves room for as many records as the quota says, of the account and kind alone", async () => {
    const { store } = subject();
    const [certificate, trustStore] = [
      certificateRecord({ id: certificateId(1), account: "tenant" }),
      trustStoreRecord({ id: trustStoreId(1), account: "tenant" }),
    ];
    const other = { before: null } as const;
    const results = [
      await create(store, creation("other.example", "other"), 2),
      await create(store, { kind: "certificate", id: certificate.id, after: certificate, ...other }, 1),
      await create(store, { kind: "trust-store", id: trustStore.id, after: trustStore, ...other }, 1),
      await create(store, creation("a.example"), 2),
      await create(store, creation("b.example"), 2),
      await create(store, creation("c.example"), 2),
      await create(store, creation("c.example"), 0),
    ];
    expect(results).toEqual([
      ...Array.from({ length: 5 }, () => "stored"),
      "domains: 2 of 2",
      "domains: 2 of 0",
    ]);
    const second = { ...certificate, id: certificateId(2) };
    expect(await create(store, { kind: "certificate", id: second.id, after: second, ...other }, 1)).toBe(
      "certificates: 1 of 1",
    );
    expect(await store.getDomain(name("c.example"))).toBeNull();
  });

  it("counts what writers without a quota have created, and what any of them has deleted", async () => {
    const { store, other } = subject();
    const writer = new Writer(other);
    expect(await create(store, creation("a.example"), 2)).toBe("stored");
    await writer.putDomain({ name: "b.example", account: "tenant" });
    expect(await create(store, creation("c.example"), 2)).toBe("domains: 2 of 2");
    expect(await create(store, creation("c.example"), null)).toBe("stored");
    expect(await create(store, creation("d.example"), 2)).toBe("domains: 3 of 2");
    await writer.deleteDomain(name("a.example"));
    await writer.deleteDomain(name("b.example"));
    expect(await create(store, creation("d.example"), 2)).toBe("stored");
    expect(await create(store, creation("e.example"), 2)).toBe("domains: 2 of 2");
  });

  it("lets a record be changed where the account has more than its quota", async () => {
    const { store } = subject();
    await create(store, creation("a.example"), null);
    const before = await store.getDomain(name("a.example"));
    const after = domainRecord({ name: "a.example", account: "tenant", labels: { changed: "yes" } });
    expect(await create(store, { kind: "domain", id: after.name, before, after }, 0)).toBe("stored");
  });

  it("stores no more than there is room for, of writers at the same time", async () => {
    const { store, other } = subject();
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, n) => create(n % 2 === 0 ? store : other, creation(`d${n}.example`), 5)),
    );
    expect(results.filter((result) => result === "stored")).toHaveLength(5);
    expect(results.filter((result) => result === "domains: 5 of 5")).toHaveLength(7);
    expect((await store.loadAll()).domains).toHaveLength(5);
  });

  it("stores the first of several writes that it leaves room for", async () => {
    const { store } = subject();
    await create(store, creation("a.example"), null);
    const head = await store.head();
    const series = ["b", "c", "d", "e"].map(
      (id, index): Commit => commitOf(creation(`${id}.example`), { quota: 3, expectedHead: head + index }),
    );
    const whole = store.commitAll(series as unknown as CommitSeries, "all");
    await expect(whole).rejects.toMatchObject({ name: "QuotaExceeded", limit: 3, count: 3 });
    expect(await store.head()).toBe(head);
    const entries = await store.commitAll(series as unknown as CommitSeries, "first");
    expect(entries.map(({ record }) => record.id)).toEqual(["b.example", "c.example"]);
    const rest = series.slice(2).map((commit) => ({ ...commit, expectedHead: commit.expectedHead }));
    await expect(store.commitAll(rest as unknown as CommitSeries, "first")).rejects.toMatchObject({
      name: "QuotaExceeded",
      limit: 3,
      count: 3,
    });
    expect(await store.head()).toBe(head + 2);
  });
}
