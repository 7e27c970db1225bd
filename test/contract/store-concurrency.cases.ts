import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Contention, RuleViolation, StaleRevision, StateConflict } from "../../core/errors.ts";
import type { LogEntry, Store } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  type DomainParts,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import {
  commitOf,
  readableEntries,
  replay,
  sorted,
  type StoreUnderTest,
  wholeLog,
  Writer,
} from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const STORES = [trustStoreId(1), trustStoreId(2)];
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

export function concurrencyCases(subject: () => StoreUnderTest): void {
  it("lets exactly one of two writers of one record win, 50 times", async () => {
    const { store, other } = subject();
    let before = (await new Writer(store).putDomain({ name: "a.example" })).record.after;
    for (const round of numbers(50)) {
      const head = await store.head();
      const change = (actor: string) =>
        commitOf(
          {
            kind: "domain",
            id: name("a.example"),
            before: before as ReturnType<typeof domainRecord>,
            after: domainRecord({ name: "a.example", updatedBy: actor }),
          },
          { expectedHead: head, actor },
        );
      const outcomes = await Promise.allSettled([store.commit(change("one")), other.commit(change("two"))]);
      const won = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
      const lost = outcomes.flatMap((outcome) =>
        outcome.status === "rejected" ? [outcome.reason as unknown] : [],
      );
      expect(won).toHaveLength(1);
      expect(lost[0] instanceof StaleRevision || lost[0] instanceof Contention).toBe(true);
      expect(await store.head()).toBe(round + 1);
      before = won[0]?.record.after ?? null;
      expect(await store.getDomain(name("a.example"))).toEqual(before);
    }
  });

  it("deletes a certificate or uses it, 50 times, never both and never neither", async () => {
    const { store, other } = subject();
    for (const n of numbers(50)) {
      await new Writer(store).putCertificate(certificateRecord({ id: certificateId(n) }));
      const id = certificateId(n);
      const use = () =>
        new Writer(store).putDomain({
          name: "a.example",
          mxHosts: [`mx${n}.example`],
          server: { certificateId: id },
        });
      const remove = () => new Writer(other).deleteCertificate(id);
      // Each action starts first in turn.
      const [used, removed] = n % 2 === 0 ? await both(use, remove) : (await both(remove, use)).toReversed();
      expect([used, removed]).toSatisfy(([a, b]: unknown[]) => (a === "done") !== (b === "done"));
      if (used !== "done") expect(used).toBeInstanceOf(RuleViolation);
      if (removed !== "done") expect(removed).toBeInstanceOf(StateConflict);
      expect((await store.getCertificate(id)) !== null).toBe(used === "done");
      expect(await store.useCount("certificate", id)).toBe(used === "done" ? 1 : 0);
    }
  });

  it("numbers the writes of 100 writers without a gap or a duplicate", async () => {
    const { store, other } = subject();
    const writes = numbers(100).map((n) =>
      new Writer(n % 2 === 0 ? store : other).putDomain({ name: `d${n}.example`, mxHosts: ["mx.example"] }),
    );
    const entries = await Promise.all(writes);
    expect(entries.map((entry) => entry.revision).toSorted((a, b) => a - b)).toEqual(numbers(100));
    const log = await wholeLog(store);
    expect(log.map((entry) => entry.revision)).toEqual(numbers(100));
    expect(new Set(log.map((entry) => entry.record.id)).size).toBe(100);
    expect((await store.getMxHosts([name("mx.example")])).get(name("mx.example"))?.domainCount).toBe(100);
  });

  it("shows a poller each change once and in order while writers write", async () => {
    const { store, other } = subject();
    const seen: LogEntry[] = [];
    const writing = Promise.all(
      numbers(60).map((n) => new Writer(store).putDomain({ name: `d${n % 20}.example` })),
    );
    while (seen.length < 60) {
      const { entries, head } = await other.changesAfter(seen.length, 7);
      // Entries after a gap are left for the next poll, as in the poller.
      for (const entry of readableEntries(entries)) if (entry.revision === seen.length + 1) seen.push(entry);
      expect(head).toBeLessThanOrEqual(60);
      await setImmediate();
    }
    expect(seen.map((entry) => entry.revision)).toEqual(numbers(60));
    expect(seen.toSorted((a, b) => a.revision - b.revision)).toEqual(
      (await writing).toSorted((a, b) => a.revision - b.revision),
    );
  });

  it("loads everything at one revision while writers write", async () => {
    const { store, other } = subject();
    const writer = new Writer(store);
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    for (const n of numbers(12))
      await writer.putDomain({ name: `d${n}.example`, mxHosts: [`mx${n}.example`] });
    const progress = { writing: true };
    const loads = (async () => {
      const all = [];
      while (progress.writing) {
        all.push(await other.loadAll());
        await setImmediate();
      }
      return all;
    })();
    for (const n of numbers(60)) {
      // The first and the last in sort order change together: a mixed read would show only one of the two.
      const which = n % 3 === 0 ? 12 : n % 2 === 0 ? 1 : 6;
      const parts = { name: `d${which}.example`, mxHosts: [`mx${which}.example`, `new${n % 5}.example`] };
      await writer.putDomain({ ...parts, server: { certificateId: n % 2 === 0 ? X : Y } });
      if (n % 10 === 0) await writer.deleteDomain(name(`d${which}.example`));
      await setImmediate();
    }
    progress.writing = false;
    const log = await wholeLog(store);
    const loaded = await loads;
    expect(new Set(loaded.map((contents) => contents.revision)).size).toBeGreaterThan(2);
    for (const contents of loaded) expect(sorted(contents)).toEqual(replay(log, contents.revision));
  });

  it("keeps every use count equal to its hosts and domains over random writes", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    for (const id of STORES) await writer.putTrustStore(trustStoreRecord({ id }));
    for (const parts of fc.sample(randomWrites, 150)) {
      const stored = await store.getDomain(name(parts.name));
      if (parts.remove && stored !== null) await writer.deleteDomain(stored.name);
      if (!parts.remove) await writer.putDomain({ ...parts, account: stored?.account ?? parts.account });
    }
    expect(await counted(store)).toEqual(await real(store));
  });
}

/** Runs two actions at the same time. Each result is `done` or the error. */
async function both(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<unknown[]> {
  const outcome = (action: () => Promise<unknown>) =>
    action().then(
      () => "done",
      (error: unknown) => error,
    );
  return Promise.all([outcome(first), outcome(second)]);
}

const some = <T>(values: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { maxLength: values.length });
const randomWrites: fc.Arbitrary<
  DomainParts & { readonly name: string; readonly account: string; remove: boolean }
> = fc.record({
  name: fc.constantFrom("a.example", "b.example", "c.example", "d.example"),
  account: fc.constantFrom("default", "other"),
  mxHosts: some(["mx1.example", "mx2.example", "mx3.example"]),
  server: fc.record({ certificateId: fc.constantFrom(null, X, Y) }),
  trustStoreIds: some(STORES),
  remove: fc.boolean(),
});

/** Every count that the store holds. */
async function counted(store: Store): Promise<Record<string, number>> {
  const { mxHosts } = await store.loadAll();
  const counts = mxHosts.map((host): [string, number] => [`${host.account} ${host.host}`, host.domainCount]);
  for (const id of [X, Y]) counts.push([id, await store.useCount("certificate", id)]);
  for (const id of STORES) counts.push([id, await store.useCount("trust-store", id)]);
  return Object.fromEntries(counts);
}

/** The same counts, computed from the stored domains and hosts. */
async function real(store: Store): Promise<Record<string, number>> {
  const { domains, mxHosts } = await store.loadAll();
  const counts = mxHosts.map(({ account, host }): [string, number] => {
    const naming = domains.filter((domain) => domain.account === account && domain.mxHosts.includes(host));
    return [`${account} ${host}`, naming.length];
  });
  for (const id of [X, Y]) counts.push([id, mxHosts.filter((host) => host.certificateId === id).length]);
  for (const id of STORES) {
    const naming = domains.filter((domain) => domain.tls.clientCertificate.trust.trustStoreIds.includes(id));
    counts.push([id, naming.length]);
  }
  return Object.fromEntries(counts);
}
