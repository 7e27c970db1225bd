import { expect, it } from "vitest";
import { Contention, StaleRevision, StateConflict } from "../../core/errors.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import type { Commit, Store } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import {
  commitOf,
  everything,
  readableEntries,
  sorted,
  type StoreUnderTest,
  Writer,
} from "./store-under-test.ts";

const [X, Y, absentCertificate] = [certificateId(1), certificateId(2), certificateId(3)];
const [T, absentTrustStore] = [trustStoreId(1), trustStoreId(3)];
const a = domainRecord({ name: "a.example", mxHosts: ["mx.example"], trustStoreIds: [T] });
const b = domainRecord({ name: "b.example" });
const mx = name("mx.example");
const held: MxHost = {
  host: mx,
  account: "default",
  certificateId: X,
  domainCount: 1,
  certificateRevision: 4,
};

/** Revisions 1 to 4: certificates X and Y, trust store T, domain `a` with host mx.example on X. */
async function settle(store: Store): Promise<void> {
  const writer = new Writer(store);
  await writer.putCertificate(certificateRecord({ id: X }));
  await writer.putCertificate(certificateRecord({ id: Y }));
  await writer.putTrustStore(trustStoreRecord({ id: T }));
  await writer.putDomain({
    name: a.name,
    mxHosts: a.mxHosts,
    server: { certificateId: X },
    trustStoreIds: [T],
  });
}

/** A commit at the present head that would store domain `b`, with one part that must fail. */
const createB = (parts: Partial<Commit>): Commit =>
  commitOf({ kind: "domain", id: b.name, before: null, after: b }, { expectedHead: 4, ...parts });
const anew = (host: string): MxHost => ({ ...held, host: name(host) });

export function commitCases(subject: () => StoreUnderTest): void {
  it("finds nothing in a new store, at revision 0", async () => {
    const { store } = subject();
    expect(await store.head()).toBe(0);
    expect(await store.changesAfter(0, 10)).toEqual({ entries: [], head: 0 });
    expect(await store.loadAll()).toEqual({
      revision: 0,
      domains: [],
      mxHosts: [],
      certificates: [],
      trustStores: [],
      unreadable: [],
    });
    expect(await store.getDomain(a.name)).toBeNull();
    expect(await store.getCertificate(X)).toBeNull();
    expect(await store.getTrustStore(T)).toBeNull();
    expect(await store.getMxHosts([mx])).toEqual(new Map());
    expect(await store.useCount("certificate", X)).toBe(0);
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it("sets the next revision in the result, the record and the log", async () => {
    const { store, other } = subject();
    const after = { ...a, revision: 99 };
    const entry = await store.commit(commitOf({ kind: "domain", id: a.name, before: null, after }));
    expect(entry).toMatchObject({ revision: 1, action: "create", record: { after: { revision: 1 } } });
    expect(await other.head()).toBe(1);
    expect(await other.getDomain(a.name)).toEqual({ ...a, revision: 1 });
    expect((await other.changesAfter(0, 10)).entries).toEqual([{ kind: "entry", entry }]);
  });

  it("stores, replaces and deletes each kind of record", async () => {
    const { store, other } = subject();
    await settle(store);
    const writer = new Writer(store);
    expect(await other.getCertificate(X)).toEqual(certificateRecord({ id: X, revision: 1 }));
    expect(await other.getTrustStore(T)).toEqual(trustStoreRecord({ id: T, revision: 3 }));
    await writer.putCertificate(certificateRecord({ id: X, label: "new" }));
    await writer.putTrustStore(trustStoreRecord({ id: T, label: "new" }));
    expect(await other.getCertificate(X)).toEqual(certificateRecord({ id: X, label: "new", revision: 5 }));
    expect(await other.getTrustStore(T)).toEqual(trustStoreRecord({ id: T, label: "new", revision: 6 }));
    expect(await other.useCount("certificate", X)).toBe(1);
    expect(await other.useCount("trust-store", T)).toBe(1);

    await writer.deleteDomain(a.name);
    await writer.deleteCertificate(X);
    await writer.deleteTrustStore(T);
    expect(await other.getDomain(a.name)).toBeNull();
    expect(await other.getCertificate(X)).toBeNull();
    expect(await other.getTrustStore(T)).toBeNull();
    expect(await other.getMxHosts([mx])).toEqual(new Map());
    expect(sorted(await other.loadAll()).certificates.map((record) => record.id)).toEqual([Y]);
  });

  it("writes host items and use counts with the record", async () => {
    const { store, other } = subject();
    await settle(store);
    expect(await other.getMxHosts([mx, name("absent.example")])).toEqual(new Map([[mx, held]]));
    expect(await other.useCount("certificate", X)).toBe(1);
    expect(await other.useCount("trust-store", T)).toBe(1);
    await new Writer(store).putDomain({
      name: "a.example",
      mxHosts: ["mx.example"],
      server: { certificateId: Y },
    });
    expect((await other.getMxHosts([mx])).get(mx)).toEqual({
      ...held,
      certificateId: Y,
      certificateRevision: 5,
    });
    expect(await other.useCount("certificate", X)).toBe(0);
    expect(await other.useCount("certificate", Y)).toBe(1);
    expect(await other.useCount("trust-store", T)).toBe(0);
  });

  const stored = { ...a, revision: 4 };
  const staleCases: [string, Commit][] = [
    ["creates what is there", commitOf({ kind: "domain", id: a.name, before: null, after: a })],
    ["updates what is not there", commitOf({ kind: "domain", id: b.name, before: b, after: b })],
    ["deletes what is not there", commitOf({ kind: "domain", id: b.name, before: b, after: null })],
    [
      "updates an older revision",
      commitOf({ kind: "domain", id: a.name, before: { ...a, revision: 3 }, after: a }),
    ],
    [
      "updates a newer revision",
      commitOf({ kind: "domain", id: a.name, before: { ...a, revision: 5 }, after: a }),
    ],
    [
      "deletes an older revision",
      commitOf({ kind: "domain", id: a.name, before: { ...a, revision: 3 }, after: null }),
    ],
    [
      "creates a certificate that exists",
      commitOf({ kind: "certificate", id: X, before: null, after: certificateRecord({ id: X }) }),
    ],
    [
      "deletes an older trust store",
      commitOf({ kind: "trust-store", id: T, before: trustStoreRecord({ id: T, revision: 2 }), after: null }),
    ],
  ];
  it.each(staleCases)("is stale, and stores nothing, when it %s", async (_, commit) => {
    const { store } = subject();
    await settle(store);
    const before = await everything(store);
    await expect(store.commit({ ...commit, expectedHead: 4 })).rejects.toBeInstanceOf(StaleRevision);
    expect(await everything(store)).toEqual(before);
  });

  it("is stale rather than contended when the record has changed since its head was read", async () => {
    const { store, other } = subject();
    await settle(store);
    await new Writer(other).putDomain({
      name: "a.example",
      mxHosts: ["mx.example"],
      server: { certificateId: X },
    });
    const late = commitOf({ kind: "domain", id: a.name, before: stored, after: a }, { expectedHead: 4 });
    await expect(store.commit(late)).rejects.toBeInstanceOf(StaleRevision);
  });

  it("is refused while a certificate or trust store has uses, and possible after the last", async () => {
    const { store } = subject();
    await settle(store);
    const writer = new Writer(store);
    const before = await everything(store);
    for (const refused of [writer.deleteCertificate(X), writer.deleteTrustStore(T)]) {
      const error = await refused.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StateConflict);
      expect(error).toHaveProperty("code", "in-use");
    }
    expect(await everything(store)).toEqual(before);
    await writer.putDomain({ name: "a.example" });
    await writer.deleteCertificate(X);
    await writer.deleteTrustStore(T);
  });

  const use = (kind: "certificate" | "trust-store", id: string, delta: number): Partial<Commit> => ({
    // A valid host claim before an invalid use: the claim must not be stored.
    hosts: [
      { host: name("new.example"), before: null, after: { ...anew("new.example"), certificateId: null } },
    ],
    uses: [
      { kind: "certificate", id: Y, delta: 1 },
      { kind, id: id as typeof X, delta },
    ],
  });
  const contendedCases: [string, Partial<Commit>][] = [
    ["the head is newer", { expectedHead: 3 }],
    ["the head is older", { expectedHead: 5 }],
    ["a host to claim is there", { hosts: [{ host: mx, before: null, after: held }] }],
    ["a host is gone", { hosts: [{ host: name("no.example"), before: anew("no.example"), after: null }] }],
    [
      "a host has another certificate",
      { hosts: [{ host: mx, before: { ...held, certificateId: Y }, after: held }] },
    ],
    [
      "a host no longer uses the default certificate",
      { hosts: [{ host: mx, before: { ...held, certificateId: null }, after: held }] },
    ],
    ["a host has another count", { hosts: [{ host: mx, before: { ...held, domainCount: 2 }, after: held }] }],
    [
      "a host belongs to another account",
      { hosts: [{ host: mx, before: { ...held, account: "other" }, after: null }] },
    ],
    [
      "a host that was read has another certificate",
      { hostsRead: [{ host: mx, item: { ...held, certificateId: Y } }] },
    ],
    [
      "a host that was read has been moved since",
      { hostsRead: [{ host: mx, item: { ...held, certificateRevision: 3 } }] },
    ],
    [
      "a host that was read is named by more",
      { hostsRead: [{ host: mx, item: { ...held, domainCount: 2 } }] },
    ],
    ["a host that was read as absent is there", { hostsRead: [{ host: mx, item: null }] }],
    ["a host that was read is gone", { hostsRead: [{ host: name("no.example"), item: anew("no.example") }] }],
    ["a certificate to use is gone", use("certificate", absentCertificate, 1)],
    ["a certificate that is named is gone", use("certificate", absentCertificate, 0)],
    ["a trust store to use is gone", use("trust-store", absentTrustStore, 1)],
    ["a trust store that stays is gone", use("trust-store", absentTrustStore, 0)],
  ];
  it.each(contendedCases)("is contended, and stores nothing, when %s", async (_, parts) => {
    const { store } = subject();
    await settle(store);
    const before = await everything(store);
    await expect(store.commit(createB(parts))).rejects.toBeInstanceOf(Contention);
    expect(await everything(store)).toEqual(before);
    await store.commit(createB({}));
  });

  it("succeeds while the hosts that were read are unchanged, present or absent", async () => {
    const { store } = subject();
    await settle(store);
    const hostsRead = [
      { host: mx, item: held },
      { host: name("no.example"), item: null },
    ];
    await store.commit(createB({ hostsRead }));
    expect((await store.getMxHosts([mx])).get(mx)).toEqual(held);
  });

  it("gives a host the revision that set its certificate, and keeps it while other domains change", async () => {
    const { store, other } = subject();
    await settle(store);
    const writer = new Writer(store);
    const revisionOf = async () => (await other.getMxHosts([mx])).get(mx)?.certificateRevision;
    const put = (text: string, certificate: typeof X | null) =>
      writer.putDomain({ name: text, mxHosts: ["mx.example"], server: { certificateId: certificate } });
    await put("b.example", X);
    expect(await revisionOf()).toBe(4);
    await put("b.example", Y);
    expect(await revisionOf()).toBe(6);
    await writer.deleteDomain(a.name);
    expect(await revisionOf()).toBe(6);
    await put("b.example", null);
    expect(await revisionOf()).toBe(8);
    await writer.deleteDomain(b.name);
    await put("c.example", null);
    expect(await revisionOf()).toBeUndefined();
    expect(sorted(await other.loadAll()).mxHosts).toEqual([
      { host: mx, account: "default", certificateId: null, domainCount: 1 },
    ]);
  });

  it("is logged with the record as it was shown before, and with the domains that it moved", async () => {
    const { store, other } = subject();
    await settle(store);
    const writer = new Writer(store);
    const shared = { mxHosts: ["mx.example"], server: { certificateId: X } };
    await writer.putDomain({ name: "b.example", ...shared });
    await writer.putDomain({ name: "b.example", ...shared, server: { certificateId: Y } });
    const found = await other.getDomainWithHosts(a.name);
    if (found === null) throw new Error("a.example is gone");
    const hostsRead = [...found.hosts].map(([host, item]) => ({ host, item }));
    const before = found.domain;
    const movedDomains = { count: 300, names: [b.name] };
    const record = {
      kind: "domain" as const,
      id: a.name,
      before,
      after: { ...before, enforcement: "defer" },
    };
    await store.commit(commitOf(record, { hostsRead, movedDomains, expectedHead: 6 }));
    const [last] = readableEntries((await other.changesAfter(6, 1)).entries);
    expect(last?.movedDomains).toEqual(movedDomains);
    expect(last?.record.before).toMatchObject({ revision: 6, tls: { server: { certificateId: Y } } });
    expect(before).toMatchObject({ revision: 4, tls: { server: { certificateId: X } } });
  });

  it("never moves a host from one account to another", async () => {
    const { store } = subject();
    await settle(store);
    const before = await everything(store);
    const taking = createB({ hosts: [{ host: mx, before: held, after: { ...held, account: "other" } }] });
    await expect(store.commit(taking)).rejects.toBeInstanceOf(StateConflict);
    expect(await everything(store)).toEqual(before);
  });

  it.each([
    ["certificate", Y],
    ["trust-store", T],
  ] as const)("never counts the uses of a %s below zero", async (kind, id) => {
    const { store } = subject();
    await settle(store);
    const before = await everything(store);
    await expect(store.commit(createB({ uses: [{ kind, id, delta: -2 }] }))).rejects.toThrow();
    expect(await everything(store)).toEqual(before);
  });
}
