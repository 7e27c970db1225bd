import fc from "fast-check";
import { expect, it } from "vitest";
import { carriedToHead } from "../../core/settings/carried-commit.ts";
import type { Store, WriterQueue } from "../../core/settings/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { commitOf, type StoreUnderTest, wholeLog, Writer } from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [S, T] = [trustStoreId(1), trustStoreId(2)];

/** One write of a small world, in which any two have much in common or nothing. */
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

/** What is planned for a write is right as long as planning it again gives the same. */
export function carriedCases(subject: () => StoreUnderTest): void {
  it("is what planning at that head gives, whatever was written in between", {
    timeout: 60_000,
  }, async () => {
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

  it("is planned again when an entry on the way cannot be read", async () => {
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
    for (let n = 0; n < 17; n += 1) await writer.putDomain({ name: "b.example" });
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
    const line = { head: 0, served: 0, taken: 0, left: new Set(), entry: null };
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
    await new Writer(other).putDomain({ name: "b.example" });
    expect(await (await queueOf(store)).line()).toMatchObject({ head: 2, served: 1 });
    expect(JSON.stringify(await wholeLog(store))).not.toContain("ticket");
  });

  it("shows the log entry that was asked for, once it is written", async () => {
    const { store, other, spoil } = subject();
    const queue = await queueOf(store);
    expect((await queue.line(1)).entry).toBeNull();
    await new Writer(other).putDomain({ name: "a.example" });
    await new Writer(other).putDomain({ name: "b.example" });
    const { head, entry } = await queue.line(1);
    expect({ head, entry }).toEqual({ head: 2, entry: (await store.changesAfter(0, 1)).entries[0] });
    expect((await queue.line()).entry).toBeNull();
    expect((await queue.line(3)).entry).toBeNull();
    await spoil("log-entry", "2");
    expect((await queue.line(2)).entry).toMatchObject({ kind: "unreadable" });
  });

  it("does not show a ticket as served when its commit fails", async () => {
    const { store } = subject();
    await (await queueOf(store)).enter();
    const after = domainRecord({ name: "a.example" });
    const record = { kind: "domain", id: after.name, before: null, after } as const;
    await expect(store.commit(commitOf(record, { ticket: 1, expectedHead: 7 }))).rejects.toThrow();
    expect(await (await queueOf(store)).line()).toMatchObject({ head: 0, served: 0 });
  });

  it("shows who has left, and forgets them behind the one served", { timeout: 30_000 }, async () => {
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
