import { expect, it } from "vitest";
import { Contention, StaleRevision } from "../../core/errors.ts";
import { domainInput, type DomainInput } from "../../core/management/domain-schema.ts";
import { applyBatch, type BatchItem, type BatchResult } from "../../core/management/domain-batch.ts";
import { createIdSource } from "../../core/name/ids.ts";
import { parseDocument } from "../../core/management/input-fields.ts";
import type { Commit, CommitSeries, Store } from "../../core/store/store.ts";
import {
  BUILT_AT,
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import {
  EFFECTS,
  everything,
  replay,
  sorted,
  type StoreUnderTest,
  wholeLog,
  Writer,
} from "./store-under-test.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Creations of domains that share nothing, each planned upon those before it. */
async function seriesOf(store: Store, ids: readonly string[]): Promise<CommitSeries> {
  const head = await store.head();
  const writer = new Writer(store);
  const commits: Commit[] = [];
  for (const [index, id] of ids.entries()) {
    // The store sets the revision: a plan has none.
    const after = { ...domainRecord({ name: id, mxHosts: [`mx.${id}`] }), revision: 0 };
    commits.push(await writer.planDomain(after.name, after, head + index));
  }
  const [first, ...others] = commits;
  if (first === undefined) throw new TypeError("a series has a first write");
  return [first, ...others];
}

/** Writes of one writer in one transaction. */
export function seriesCases(subject: () => StoreUnderTest): void {
  it("stores the first writes, each at its revision with its entry, and the others when they are sent again", async () => {
    const { store, other } = subject();
    let left: readonly Commit[] = await seriesOf(
      store,
      numbers(60).map((n) => `d${n}.example`),
    );
    const stored = [];
    for (let [first, ...others] = left; first !== undefined; [first, ...others] = left) {
      const entries = await store.commitAll([first, ...others], "first");
      expect(entries.length).toBeGreaterThan(0);
      stored.push(...entries);
      left = left.slice(entries.length);
    }
    expect(stored.map(({ revision }) => revision)).toEqual(numbers(60).map((n) => n + 1));
    expect(await wholeLog(other)).toEqual(stored);
    expect(sorted(await other.loadAll())).toEqual(replay(stored, 60));
  });

  it("stores several in one transaction", async () => {
    const { store } = subject();
    const entries = await store.commitAll(
      await seriesOf(
        store,
        numbers(10).map((n) => `d${n}.example`),
      ),
      "all",
    );
    expect(entries).toHaveLength(10);
  });

  it.each<
    [string, (store: Store, commits: CommitSeries) => Promise<CommitSeries>, new (message: string) => Error]
  >([
    [
      "another write took the first revision",
      async (store, commits) => {
        await new Writer(store).putDomain({ name: "other.example" });
        return commits;
      },
      Contention,
    ],
    [
      "a host of a later one is not as it was read",
      async (_, [first, second, ...others]) => {
        const hosts = second?.hosts.map((change) => ({ ...change, before: change.after })) ?? [];
        return [first, ...(second === undefined ? [] : [{ ...second, hosts }]), ...others];
      },
      Contention,
    ],
  ])("stores none where %s", async (_, change, error) => {
    const { store } = subject();
    const commits = await change(store, await seriesOf(store, ["a.example", "b.example", "c.example"]));
    const before = await everything(store);
    // A store may send the first alone where the second does not follow it.
    const [entries] = await Promise.allSettled([store.commitAll(commits, "first")]);
    if (entries.status === "rejected") {
      expect(entries.reason).toBeInstanceOf(error);
      expect(await everything(store)).toEqual(before);
    } else expect(entries.value).toHaveLength(1);
  });

  it("stores none where the record of the first has changed", async () => {
    const { store } = subject();
    await new Writer(store).putDomain({ name: "a.example" });
    const [first, ...others] = await seriesOf(store, ["a.example", "b.example"]);
    const before = await everything(store);
    const stale = { ...first, record: { ...first.record, before: null } } as Commit;
    await expect(store.commitAll([stale, ...others], "first")).rejects.toBeInstanceOf(StaleRevision);
    expect(await everything(store)).toEqual(before);
  });

  it("reads the records that exist of one kind, and lists those that cannot be read", async () => {
    const { store, spoil } = subject();
    const writer = new Writer(store);
    for (const id of ["a.example", "b.example", "c.example"]) await writer.putDomain({ name: id });
    const [X, T] = [certificateId(1), trustStoreId(1)];
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putTrustStore(trustStoreRecord({ id: T }));
    await spoil("domain", "b.example");
    const found = await store.getRecords("domain", ["c.example", "b.example", "a.example", "d.example"]);
    expect(new Set(found.items.map((each) => each.name))).toEqual(new Set(["a.example", "c.example"]));
    expect(found.unreadable).toMatchObject([{ kind: "domain", id: "b.example" }]);
    expect((await store.getRecords("certificate", [X])).items).toEqual([await store.getCertificate(X)]);
    expect((await store.getRecords("trust-store", [T])).items).toEqual([await store.getTrustStore(T)]);
    expect(await store.getRecords("domain", [])).toEqual({ items: [], unreadable: [] });
  });

  it("shows for each host the domains of the account that name it", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putDomain({ name: "a.example", mxHosts: ["mx1.example", "mx2.example"] });
    await writer.putDomain({ name: "b.example", mxHosts: ["mx1.example"] });
    await writer.putDomain({ name: "c.example", account: "other", mxHosts: ["mx1.example"] });
    const hosts = ["mx1.example", "mx2.example", "mx3.example"].map(name);
    const found = await store.domainsByHost("default", hosts);
    expect(new Map([...found].map(([host, names]) => [host, new Set(names)]))).toEqual(
      new Map([
        ["mx1.example", new Set(["a.example", "b.example"])],
        ["mx2.example", new Set(["a.example"])],
      ]),
    );
    expect((await store.domainsByHost("other", hosts)).get(name("mx1.example"))).toEqual(["c.example"]);
  });
}

const ACTOR = { account: "default", name: "test" };
const NO_CONDITION = { matches: null, matchesNot: null };
const ANY = { matches: "any", matchesNot: null } as const;
const input = (document: object): DomainInput => parseDocument(domainInput, document);
const put = (id: string, document: object = { mxHosts: [`mx.${id}`] }): BatchItem => ({
  kind: "put",
  name: name(id),
  input: input(document),
  condition: NO_CONDITION,
  moveSharedHosts: false,
});
const patch = (id: string, document: object): BatchItem => ({
  kind: "patch",
  name: name(id),
  patch: document,
  condition: ANY,
  moveSharedHosts: false,
});

const batchOn = (store: Store, items: readonly BatchItem[]): Promise<readonly BatchResult[]> =>
  applyBatch(
    {
      store,
      access: { get: async () => null },
      clock: { now: () => Date.parse(BUILT_AT) },
      ids: createIdSource(
        () => Date.parse(BUILT_AT),
        (count) => new Uint8Array(count),
      ),
      operatorHosts: new Set(),
      retry: EFFECTS,
    },
    ACTOR,
    items,
  );

const kindsOf = (results: readonly BatchResult[]) => results.map(({ kind }) => kind);
const revisionsOf = (results: readonly BatchResult[]) =>
  results.flatMap((result) => ("revision" in result ? [result.revision] : []));

/** A batch of domain writes on a store that others write too. */
export function batchCases(subject: () => StoreUnderTest): void {
  it("stores 100 items in order, an entry and a revision for each", async () => {
    const { store } = subject();
    const results = await batchOn(
      store,
      numbers(100).map((n) => put(`d${n}.example`)),
    );
    expect(results).toEqual(numbers(100).map((n) => ({ kind: "created", revision: n + 1 })));
    const log = await wholeLog(store);
    expect(log.map(({ record }) => record.id)).toEqual(numbers(100).map((n) => `d${n}.example`));
    expect(sorted(await store.loadAll())).toEqual(replay(log, 100));
  });

  it("counts 100 domains on one host", async () => {
    const { store } = subject();
    const items = numbers(100).map((n) => put(`d${n}.example`, { mxHosts: ["mx.example"] }));
    expect(new Set(kindsOf(await batchOn(store, items)))).toEqual(new Set(["created"]));
    const host = name("mx.example");
    expect((await store.getMxHosts([host])).get(host)).toMatchObject({ domainCount: 100 });
    expect((await store.domainsByHost("default", [host])).get(host)).toHaveLength(100);
  });

  it("stores the items beside one that is wrong", async () => {
    const { store } = subject();
    const wrong = put("d57.example", { tls: { server: { certificateId: certificateId(9) } } });
    const items = numbers(100).map((n) => (n === 57 ? wrong : put(`d${n}.example`)));
    const results = await batchOn(store, items);
    expect(kindsOf(results)).toEqual(numbers(100).map((n) => (n === 57 ? "failed" : "created")));
    expect(revisionsOf(results)).toEqual(numbers(99).map((n) => n + 1));
  });

  it("replaces a record that cannot be read as a whole, and changes no part of it", async () => {
    const { store, spoil } = subject();
    for (const id of ["a.example", "b.example"]) await new Writer(store).putDomain({ name: id });
    await spoil("domain", "a.example");
    await spoil("domain", "b.example");
    const results = await batchOn(store, [
      patch("a.example", { tls: { enforcement: "defer" } }),
      { ...put("a.example"), condition: ANY },
      { kind: "delete", name: name("b.example"), condition: ANY },
      put("c.example"),
    ]);
    expect(kindsOf(results)).toEqual(["failed", "updated", "deleted", "created"]);
    expect(await store.getDomain(name("a.example"))).toMatchObject({ mxHosts: ["mx.a.example"] });
  });

  it("writes nothing where nothing would change", async () => {
    const { store } = subject();
    const items = numbers(40).map((n) => put(`d${n}.example`));
    await batchOn(store, items);
    const again = await batchOn(
      store,
      items.map((item) => ({ ...item, condition: ANY })),
    );
    expect(again).toEqual(numbers(40).map((n) => ({ kind: "unchanged", revision: n + 1 })));
    expect(await store.head()).toBe(40);
  });

  it("meets other writers and other batches: each item is stored once, and the log has no gap", async () => {
    const { store, other } = subject();
    const writer = new Writer(other);
    const hosts = { mxHosts: ["mx.example"] };
    const [mine, theirs] = await Promise.all([
      batchOn(
        store,
        numbers(100).map((n) => put(`mine${n}.example`, hosts)),
      ),
      batchOn(
        other,
        numbers(100).map((n) => put(`theirs${n}.example`, hosts)),
      ),
      ...numbers(10).map((n) => writer.putDomain({ name: `single${n}.example`, mxHosts: ["mx.example"] })),
    ]);
    for (const results of [mine, theirs]) {
      expect(new Set(kindsOf(results))).toEqual(new Set(["created"]));
      const revisions = revisionsOf(results);
      expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    }
    const log = await wholeLog(store);
    expect(log).toHaveLength(210);
    expect(new Set(log.map(({ record }) => record.id)).size).toBe(210);
    expect(sorted(await store.loadAll())).toEqual(replay(log, 210));
    const host = name("mx.example");
    expect((await store.getMxHosts([host])).get(host)).toMatchObject({ domainCount: 210 });
  });
}
