import fc from "fast-check";
import { expect, it } from "vitest";
import { Contention } from "../../core/errors.ts";
import { alongWith, carriedToHead } from "../../core/store/carried-commit.ts";
import type { Commit, OfferedWrite, Store, WriterQueue } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { queuedReplacementCases } from "./store-replacement.cases.ts";
import { commitOf, replay, sorted, type StoreUnderTest, wholeLog, Writer } from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [S, T] = [trustStoreId(1), trustStoreId(2)];

/** One write of a few records, so that any two writes share records often. */
const someWrite = fc.record({
  name: fc.constantFrom("a.example", "b.example", "c.example", "d.example"),
  account: fc.constantFrom("default", "other"),
  mxHosts: fc.uniqueArray(fc.constantFrom("mx1.example", "mx2.example", "mx3.example"), { maxLength: 2 }),
  server: fc.record({ certificateId: fc.constantFrom(null, null, X, Y) }),
  trustStoreIds: fc.uniqueArray(fc.constantFrom(S, T), { maxLength: 1 }),
  kind: fc.constantFrom("put", "put", "put", "delete", "certificate", "trust-store"),
});
type SomeWrite = typeof someWrite extends fc.Arbitrary<infer T> ? T : never;

async function make(writer: Writer, { kind, ...parts }: SomeWrite): Promise<void> {
  const stored = await writer.store.getDomain(name(parts.name));
  if (kind === "certificate") await writer.putCertificate(certificateRecord({ id: X }));
  if (kind === "trust-store") await writer.putTrustStore(trustStoreRecord({ id: T }));
  if (kind === "delete" && stored !== null) await writer.deleteDomain(stored.name);
  if (kind === "put") await writer.putDomain({ ...parts, account: stored?.account ?? parts.account });
}

async function plan(writer: Writer, { kind, ...parts }: SomeWrite) {
  const { store } = writer;
  const stored = await store.getDomain(name(parts.name));
  const account = stored?.account ?? parts.account;
  const after = kind === "delete" && stored !== null ? null : domainRecord({ ...parts, account });
  return writer.planDomain(name(parts.name), after, await store.head());
}

/** The plan of a write is valid as long as planning it again gives the same result. */
export function carriedCases(subject: () => StoreUnderTest): void {
  it("equals a new plan at that head, after any writes in between", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    for (const id of [S, T]) await writer.putTrustStore(trustStoreRecord({ id }));
    const outcomes = { carried: 0, again: 0 };
    for (const [planned, ...between] of fc.sample(fc.tuple(someWrite, someWrite, someWrite), 150)) {
      const before = await plan(writer, planned);
      for (const write of between) await make(writer, write);
      const carried = await carriedToHead(store, before);
      outcomes[carried === null ? "again" : "carried"] += 1;
      if (carried === null) continue;
      const again = await plan(writer, planned);
      expect(carried).toEqual(again);
      expect((await store.commit(carried)).revision).toBe(again.expectedHead + 1);
    }
    expect(outcomes.carried).toBeGreaterThan(5);
    expect(outcomes.again).toBeGreaterThan(5);
  });

  it("equals a new plan after the write that it is stored with", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    for (const id of [S, T]) await writer.putTrustStore(trustStoreRecord({ id }));
    const outcomes = { along: 0, alone: 0 };
    const puts = someWrite.map(
      (write) => ({ ...write, kind: write.kind === "delete" ? "delete" : "put" }) as const,
    );
    for (const [first, second] of fc.sample(fc.tuple(puts, puts), 150)) {
      const own = await plan(writer, first);
      const offers = [{ ticket: 2, commit: await plan(writer, second) }];
      const feed = { entries: [], head: own.expectedHead };
      const [along] = alongWith(own, { offers, left: new Set(), ticket: 1 }, feed);
      await store.commit(own);
      outcomes[along === undefined ? "alone" : "along"] += 1;
      if (along !== undefined) expect(along.commit).toEqual(await plan(writer, second));
    }
    expect(outcomes.along).toBeGreaterThan(5);
    expect(outcomes.alone).toBeGreaterThan(5);
  });

  it("is planned again when an entry in between cannot be read", async () => {
    const { store, spoil } = subject();
    const writer = new Writer(store);
    const planned = await writer.planDomain(name("a.example"), domainRecord({ name: "a.example" }), 0);
    await writer.putDomain({ name: "b.example" });
    expect(await carriedToHead(store, planned)).toEqual({ ...planned, expectedHead: 1 });
    await spoil("log-entry", "1");
    expect(await carriedToHead(store, planned)).toBeNull();
  });

  it("is planned again when it is far behind", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    const planned = await writer.planDomain(name("a.example"), domainRecord({ name: "a.example" }), 0);
    for (let n = 0; n < 65; n += 1) await writer.putDomain({ name: "b.example" });
    expect(await carriedToHead(store, planned)).toBeNull();
  });
}

export function absentQueueCases(subject: () => StoreUnderTest, reason: string): void {
  it(`is absent: ${reason}`, async () => {
    expect(await subject().store.queue()).toBeNull();
  });
}

export function queueCases(subject: () => StoreUnderTest): void {
  const queueOf = async (store: Store): Promise<WriterQueue> => {
    const queue = await store.queue();
    if (queue === null) throw new TypeError("the store has no queue");
    return queue;
  };

  it("is empty at first", async () => {
    const line = {
      head: 0,
      served: 0,
      taken: 0,
      left: new Set(),
      entry: null,
      storedAt: null,
    };
    expect(await (await queueOf(subject().store)).line()).toEqual(line);
  });

  it("gives each writer another ticket, in order", async () => {
    const { store, other } = subject();
    const [one, two] = [await queueOf(store), await queueOf(other)];
    expect([await one.enter(), await two.enter(), await one.enter()]).toEqual([1, 2, 3]);
    const more = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? one : two).enter()));
    expect(more.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 4));
    expect(await two.line()).toMatchObject({ served: 0, taken: 23 });
  });

  it("shows a ticket as served together with the head of its commit, and keeps it through others", async () => {
    const { store, other } = subject();
    await (await queueOf(store)).enter();
    const after = domainRecord({ name: "a.example" });
    await store.commit(commitOf({ kind: "domain", id: after.name, before: null, after }, { ticket: 1 }));
    expect(await (await queueOf(other)).line()).toMatchObject({ head: 1, served: 1, taken: 1 });
    const second = domainRecord({ name: "b.example" });
    const record = { kind: "domain", id: second.name, before: null, after: second } as const;
    await other.commit(commitOf(record, { expectedHead: 1 }));
    expect(await (await queueOf(store)).line()).toMatchObject({ head: 2, served: 1 });
    expect(JSON.stringify(await wholeLog(store))).not.toContain("ticket");
  });

  it("shows the requested log entry once it is written", async () => {
    const { store, other, spoil } = subject();
    const queue = await queueOf(store);
    expect((await queue.line({ entry: 1 })).entry).toBeNull();
    await new Writer(other).putDomain({ name: "a.example" });
    await new Writer(other).putDomain({ name: "b.example" });
    const { head, entry } = await queue.line({ entry: 1 });
    expect({ head, entry }).toEqual({ head: 2, entry: (await store.changesAfter(0, 1)).entries[0] });
    expect((await queue.line()).entry).toBeNull();
    expect((await queue.line({ entry: 3 })).entry).toBeNull();
    await spoil("log-entry", "2");
    expect((await queue.line({ entry: 2 })).entry).toMatchObject({ kind: "unreadable" });
  });

  it("does not show a ticket as served when its commit fails", async () => {
    const { store } = subject();
    await (await queueOf(store)).enter();
    const after = domainRecord({ name: "a.example" });
    const record = { kind: "domain", id: after.name, before: null, after } as const;
    await expect(store.commit(commitOf(record, { ticket: 1, expectedHead: 7 }))).rejects.toThrow();
    expect(await (await queueOf(store)).line()).toMatchObject({ head: 0, served: 0 });
  });

  queuedReplacementCases(subject);

  /** Three writers with tickets; the second and third offer. */
  const threeWriters = async ({ store }: StoreUnderTest) => {
    const queue = await queueOf(store);
    const writer = new Writer(store);
    const plans = [];
    for (const id of ["a.example", "b.example", "c.example"]) {
      await queue.enter();
      // The store sets the revision: a plan has none.
      const after = { ...domainRecord({ name: id, mxHosts: [`mx.${id}`] }), revision: 0 };
      plans.push(await writer.planDomain(after.name, after, 0));
    }
    const [own, second, third] = plans as [Commit, Commit, Commit];
    const along = [
      { ticket: 2, commit: { ...second, expectedHead: 1 } },
      { ticket: 3, commit: { ...third, expectedHead: 2 } },
    ];
    for (const [index, commit] of [second, third].entries()) {
      expect(await queue.offer({ ticket: index + 2, commit })).toBe(true);
    }
    return { queue, own: { ...own, ticket: 1 }, second, third, along };
  };

  it("shows the offers after a ticket unchanged, until they are stored", async () => {
    const { queue, own, second, third, along } = await threeWriters(subject());
    const offered = [second, third].map((commit, index) => {
      const { record } = commit;
      return {
        ticket: index + 2,
        commit: { ...commit, record: { ...record, after: { ...record.after, revision: 1 } } },
      };
    });
    expect(await queue.offersAfter(1)).toEqual(offered);
    expect(await queue.offersAfter(2)).toEqual(offered.slice(1));
    await subject().store.commit({ ...own, along: along.slice(0, 1) });
    expect(await queue.offersAfter(1)).toEqual(offered.slice(1));
  });

  it("stores offered writes together with a commit, each at the next revision", async () => {
    const { queue, own, along } = await threeWriters(subject());
    const { store, other } = subject();
    expect((await store.commit({ ...own, along })).revision).toBe(1);
    expect((await wholeLog(other)).map(({ revision, record }) => [revision, record.id])).toEqual([
      [1, "a.example"],
      [2, "b.example"],
      [3, "c.example"],
    ]);
    expect(await queue.line({ offer: 2 })).toMatchObject({ head: 3, served: 3, storedAt: 2 });
    expect(await queue.line({ offer: 3 })).toMatchObject({ storedAt: 3 });
    for (const [index, id] of ["a.example", "b.example", "c.example"].entries()) {
      expect(await other.getDomain(name(id))).toMatchObject({ revision: index + 1 });
      expect((await other.firstDomainsOnHosts("default", [name(`mx.${id}`)], 2)).names).toEqual([id]);
    }
    expect((await new Writer(other).putDomain({ name: "d.example" })).revision).toBe(4);
    expect(await queue.line()).toMatchObject({ head: 4, served: 4, storedAt: null });
  });

  it("stores nothing when one of the offered writes was withdrawn or is stored already", async () => {
    const { queue, own, along } = await threeWriters(subject());
    const { store } = subject();
    expect(await queue.withdraw(3)).toBeNull();
    await expect(store.commit({ ...own, along })).rejects.toBeInstanceOf(Contention);
    expect(await store.head()).toBe(0);
    expect(await store.getDomain(name("a.example"))).toBeNull();
    await store.commit({ ...own, along: along.slice(0, 1) });
    expect(await queue.withdraw(2)).toBe(2);
  });

  it("stores an offered write once, by its own writer or by another", async () => {
    const { queue, own, second, along } = await threeWriters(subject());
    const { store } = subject();
    await store.commit({ ...own, along: along.slice(0, 1) });
    const again = { ...second, record: { ...second.record }, expectedHead: 2, offered: 2 };
    await expect(store.commit(again)).rejects.toThrow();
    const third = { ...along[1]?.commit, expectedHead: 2, ticket: 3, offered: 3 } as Commit;
    await store.commit(third);
    expect(await queue.withdraw(3)).toBe(3);
    expect(await wholeLog(store)).toHaveLength(3);
  });

  it("stores the first offers that fit, and leaves the others to their writers", async () => {
    const { store } = subject();
    const { queue, own } = await threeWriters(subject());
    const along: OfferedWrite[] = [];
    for (let ticket = 2; ticket <= 40; ticket += 1) {
      if (ticket > 3) await queue.enter();
      const after = domainRecord({ name: `d${ticket}.example`, mxHosts: [`mx.d${ticket}.example`] });
      const commit = await new Writer(store).planDomain(after.name, after, 0);
      await queue.offer({ ticket, commit });
      along.push({ ticket, commit: { ...commit, expectedHead: ticket - 1 } });
    }
    await store.commit({ ...own, along });
    const { head, served } = await queue.line();
    expect(head).toBeGreaterThan(5);
    expect(head).toBeLessThan(40);
    expect(served).toBe(head);
    expect((await queue.line({ offer: head })).storedAt).toBe(head);
    expect((await queue.offersAfter(1))[0]?.ticket).toBe(head + 1);
  });

  it("counts the domains of one host and of one trust store right when they are stored together", async () => {
    const { store, other } = subject();
    const [queue, writer] = [await queueOf(store), new Writer(store)];
    await writer.putTrustStore(trustStoreRecord({ id: S }));
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"] });
    const plans: Commit[] = [];
    const { taken } = await queue.line();
    for (const id of ["b.example", "c.example", "d.example"]) {
      const ticket = await queue.enter();
      const after = domainRecord({ name: id, mxHosts: ["mx.example"], trustStoreIds: [S] });
      const commit = await writer.planDomain(after.name, after, 2);
      if (ticket > taken + 1) await queue.offer({ ticket, commit });
      plans.push(commit);
    }
    const [own] = plans as [Commit];
    const ticket = taken + 1;
    const offers = await queue.offersAfter(ticket);
    const along = alongWith(own, { offers, left: new Set(), ticket }, { entries: [], head: 2 });
    await store.commit({ ...own, ticket, along });
    expect(await store.head()).toBe(5);
    expect((await other.getMxHosts([name("mx.example")])).get(name("mx.example"))?.domainCount).toBe(4);
    expect(await other.useCount("trust-store", S)).toBe(3);
    expect(sorted(await other.loadAll())).toEqual(replay(await wholeLog(other), 5));
    for (const id of ["a.example", "b.example", "c.example", "d.example"]) {
      await new Writer(other).deleteDomain(name(id));
    }
    expect(await other.getMxHosts([name("mx.example")])).toEqual(new Map());
    expect(await other.useCount("trust-store", S)).toBe(0);
  });

  it("stores no two writes of one item together", async () => {
    const { store } = subject();
    const { queue, own, second } = await threeWriters(subject());
    const twice = { ...second, expectedHead: 2 };
    await queue.offer({ ticket: 3, commit: twice });
    const along = [
      { ticket: 2, commit: { ...second, expectedHead: 1 } },
      { ticket: 3, commit: twice },
    ];
    await store.commit({ ...own, along });
    expect(await queue.line({ offer: 3 })).toMatchObject({ head: 2, served: 2, storedAt: null });
  });

  it.each<[string, (second: Commit, third: Commit) => Commit, number]>([
    ["the record of one before", (second) => ({ ...second, hosts: [] }), 2],
    ["a host as it was before", (second, third) => ({ ...third, hosts: second.hosts }), 2],
    [
      "the absence of a host",
      ({ hosts }, third) => ({
        ...third,
        hosts: [],
        hostsRead: hosts.map(({ host }) => ({ host, item: null })),
      }),
      2,
    ],
    [
      "a host in the state that an earlier write left",
      ({ hosts }, third) => ({
        ...third,
        hosts: [],
        hostsRead: hosts.map(({ host, after }) => ({ host, item: after })),
      }),
      3,
    ],
  ])("judges an offer by those before it: %s", async (_, change, head) => {
    const { queue, own, second, third, along } = await threeWriters(subject());
    const commit = { ...change(second, third), expectedHead: 2 };
    await subject().store.commit({ ...own, along: [...along.slice(0, 1), { ticket: 3, commit }] });
    expect(await queue.line({ offer: 3 })).toMatchObject({
      head,
      served: head,
      storedAt: head === 3 ? 3 : null,
    });
  });

  it("accepts no offer that moves a host to another account", async () => {
    const { store } = subject();
    const { queue, own, along } = await threeWriters(subject());
    const [first] = along;
    if (first === undefined) throw new TypeError("nothing is offered");
    const hosts = first.commit.hosts.map(({ host, after }) => {
      if (after === null) throw new TypeError("the host is claimed");
      return { host, before: { ...after, account: "other" }, after };
    });
    await store.commit({ ...own, along: [{ ...first, commit: { ...first.commit, hosts } }] });
    expect(await queue.line({ offer: 2 })).toMatchObject({ head: 1, storedAt: null });
  });

  it("does not offer a write again after it was stored or withdrawn, when a request without a response is repeated", async () => {
    const { queue, own, second, third, along } = await threeWriters(subject());
    await subject().store.commit({ ...own, along: along.slice(0, 1) });
    expect(await queue.withdraw(3)).toBeNull();
    for (const [index, commit] of [second, third].entries()) await queue.offer({ ticket: index + 2, commit });
    expect(await queue.offersAfter(1)).toEqual([]);
    expect(await queue.line({ offer: 2 })).toMatchObject({ storedAt: 2 });
    expect(await queue.withdraw(2)).toBe(2);
  });

  it("does not offer a very large write", async () => {
    const { queue, second } = await threeWriters(subject());
    // In octets, as the store counts.
    for (const actor of ["x".repeat(40_000), "\u4e00".repeat(15_000)])
      expect(await queue.offer({ ticket: 2, commit: { ...second, actor } })).toBe(false);
  });

  it("shows writers that have left, and deletes them after the one served", async () => {
    const { store, other } = subject();
    const queue = await queueOf(store);
    for (let n = 0; n < 101; n += 1) await queue.enter();
    for (const ticket of [3, 5]) await (await queueOf(other)).leave(ticket);
    expect((await queue.line()).left).toEqual(new Set([3, 5]));
    const after = domainRecord({ name: "a.example" });
    await store.commit(commitOf({ kind: "domain", id: after.name, before: null, after }, { ticket: 98 }));
    for (let ticket = 1; ticket <= 101; ticket += 1) await queue.leave(ticket);
    const { left } = await queue.line();
    expect(left.size).toBeLessThan(10);
    expect([99, 100, 101].filter((ticket) => !left.has(ticket))).toEqual([]);
  });
}
