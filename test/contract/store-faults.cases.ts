import { expect, it } from "vitest";
import { StaleRevision, Unreadable } from "../../core/errors.ts";
import { plannedOf, planWrite, readHosts } from "../../core/management/plan-write.ts";
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
  eventually,
  everything,
  partsOf,
  type StoreUnderTest,
  Writer,
} from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [T, U] = [trustStoreId(1), trustStoreId(2)];
const [a, b] = [name("a.example"), name("b.example")];
const [mx1, mx2] = [name("mx1.example"), name("mx2.example")];

/** Two of each kind; the tests spoil the first. */
async function settle({ store }: StoreUnderTest): Promise<void> {
  const writer = new Writer(store);
  for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
  for (const id of [T, U]) await writer.putTrustStore(trustStoreRecord({ id }));
  await writer.putDomain({ name: a, mxHosts: [mx1], server: { certificateId: X }, trustStoreIds: [T] });
  await writer.putDomain({ name: b, mxHosts: [mx2], server: { certificateId: X }, trustStoreIds: [T] });
}

export function unreadableCases(subject: () => StoreUnderTest): void {
  const page = { limit: 1 };
  it.each([
    ["domain", a],
    ["certificate", X],
    ["trust-store", T],
    ["mx-host", mx1],
  ] as const)("is named by a full load, which gives everything else: %s", async (kind, id) => {
    await settle(subject());
    const { store } = subject();
    const before = await store.loadAll();
    await subject().spoil(kind, id);
    const after = await store.loadAll();
    expect(after.unreadable).toEqual([{ kind, id, problem: expect.stringContaining(id) }]);
    expect(after.revision).toBe(before.revision);
    const ids = [after.domains, after.mxHosts, after.certificates, after.trustStores].flat();
    expect(ids).toHaveLength(7);
  });

  it("is an error when it is read by name", async () => {
    await settle(subject());
    const { store, spoil } = subject();
    await spoil("domain", a);
    await spoil("certificate", X);
    await spoil("trust-store", T);
    await expect(store.getDomain(a)).rejects.toBeInstanceOf(Unreadable);
    await expect(store.getCertificate(X)).rejects.toBeInstanceOf(Unreadable);
    await expect(store.getTrustStore(T)).rejects.toBeInstanceOf(Unreadable);
    expect(await store.getDomain(b)).toMatchObject({ name: b });
  });

  it("is listed beside the readable items, and lists continue after it", async () => {
    await settle(subject());
    const { store, spoil } = subject();
    await spoil("domain", a);
    await spoil("certificate", X);
    await spoil("trust-store", T);
    await eventually(async () => {
      const first = await store.listDomains({ account: "default" }, page);
      const unreadable = [{ kind: "domain", id: a, problem: expect.stringContaining(a) }];
      expect(first).toEqual({ items: [], unreadable, next: a });
      const second = await store.listDomains({ account: "default" }, { ...page, after: a });
      expect(second.items.map((domain) => domain.name)).toEqual([b]);
      expect((await store.listCertificates("default", { limit: 9 })).items.map((each) => each.id)).toEqual([
        Y,
      ]);
      expect((await store.listTrustStores("default", { limit: 9 })).items.map((each) => each.id)).toEqual([
        U,
      ]);
    });
    expect((await store.domainsOfTrustStore(T)).map((domain) => domain.name)).toEqual([b]);
  });

  it.each([
    ["domain", a],
    ["certificate", X],
    ["trust-store", T],
  ] as const)("is known by its revision and account: %s", async (kind, id) => {
    await settle(subject());
    const { store, spoil } = subject();
    expect(await store.getUnreadable(kind, id, "default")).toBeNull();
    await spoil(kind, id);
    const known = await store.getUnreadable(kind, id, "default");
    const revision = { domain: 5, certificate: 1, "trust-store": 3 }[kind];
    expect(known).toMatchObject({ revision, isOwn: true, problem: expect.stringContaining(id) });
    expect(await store.getUnreadable(kind, id, "other")).toMatchObject({ revision, isOwn: false });
    expect(await store.getUnreadable("domain", "absent.example", "default")).toBeNull();
  });

  it.each([
    ["domain", a],
    ["certificate", X],
    ["trust-store", T],
  ] as const)(
    "is read as it is stored, before and after the damage, by its account alone: %s",
    async (kind, id) => {
      await settle(subject());
      const { store, spoil } = subject();
      const revision = { domain: 5, certificate: 1, "trust-store": 3 }[kind];
      const { items } = await store.getRecords(kind, [id]);
      const raw = await store.getRaw(kind, id, "default");
      expect(raw?.revision).toBe(revision);
      expect(JSON.parse(raw?.text ?? "")).toMatchObject({ ...items[0] });
      await spoil(kind, id);
      expect((await store.getRecords(kind, [id])).unreadable).toHaveLength(1);
      const damaged = await store.getRaw(kind, id, "default");
      expect(damaged).toEqual({ revision, text: expect.any(String) });
      expect(damaged?.text).not.toBe(raw?.text);
      expect(await store.getRaw(kind, id, "other")).toBeNull();
      expect(await store.getRaw("domain", "absent.example", "default")).toBeNull();
    },
  );

  it("releases its references when it is deleted, and is stale at another revision", async () => {
    await settle(subject());
    const { store, other, spoil } = subject();
    await spoil("domain", a);
    const known = await store.getUnreadable("domain", a, "default");
    if (known === null) throw new Error("it can be read");
    expect(known).toMatchObject({ mxHosts: [mx1], trustStoreIds: [T] });
    const planned = await plannedOf(store, "default", known);
    const found = await readHosts(store, planned, null);
    const plan = planWrite({ before: planned.domain, after: null, certificateId: null, ...found });
    const record = { kind: "domain", id: a, before: null, after: null } as const;
    const deletion = commitOf(record, { ...partsOf(plan), replaced: known, expectedHead: 6 });
    const stale = { ...deletion, replaced: { ...known, revision: 4 } };
    await expect(store.commit(stale)).rejects.toBeInstanceOf(StaleRevision);
    await expect(store.commit({ ...deletion, replaced: undefined })).rejects.toThrow();
    const entry = await store.commit(deletion);
    expect(entry).toMatchObject({ action: "delete", record: { before: null, after: null } });
    expect(await other.getDomain(a)).toBeNull();
    expect(await other.getMxHosts([mx1])).toEqual(new Map());
    expect(await other.useCount("certificate", X)).toBe(1);
    expect(await other.useCount("trust-store", T)).toBe(1);
    expect((await other.domainsOnHosts("default", [mx1], 9)).count).toBe(0);
    const [last] = (await other.changesAfter(6, 1)).entries;
    expect(last).toMatchObject({ kind: "entry", entry: { action: "delete", record: { id: a } } });
    await eventually(async () => {
      expect((await other.listDomains({ account: "default" }, { limit: 9 })).unreadable).toEqual([]);
    });
  });

  it("can be replaced, and is found by its new names only", async () => {
    await settle(subject());
    const { store, other, spoil } = subject();
    await spoil("domain", a);
    await spoil("certificate", Y);
    const known = await store.getUnreadable("domain", a, "default");
    if (known === null) throw new Error("it can be read");
    const after = domainRecord({ name: a, mxHosts: ["mx3.example"] });
    const planned = await plannedOf(store, "default", known);
    const found = await readHosts(store, planned, after);
    const plan = planWrite({ before: planned.domain, after, certificateId: null, ...found });
    const record = { kind: "domain", id: a, before: null, after } as const;
    await store.commit(commitOf(record, { ...partsOf(plan), replaced: known, expectedHead: 6 }));
    expect(await other.getDomain(a)).toMatchObject({ name: a, revision: 7 });
    expect((await other.domainsOnHosts("default", [mx1], 9)).count).toBe(0);
    expect((await other.domainsOnHosts("default", [name("mx3.example")], 9)).names).toEqual([a]);
    const certificate = await store.getUnreadable("certificate", Y, "default");
    const whole = {
      kind: "certificate",
      id: Y,
      before: null,
      after: certificateRecord({ id: Y, label: "again" }),
    } as const;
    await store.commit(commitOf(whole, { replaced: certificate ?? undefined, expectedHead: 7 }));
    expect(await other.getCertificate(Y)).toMatchObject({ label: "again", revision: 8 });
    expect((await other.loadAll()).unreadable).toEqual([]);
  });

  it("keeps a certificate and a trust store in use: they cannot be deleted", async () => {
    await settle(subject());
    const { store, spoil } = subject();
    await spoil("domain", a);
    await spoil("domain", b);
    expect(await store.useCount("certificate", X)).toBe(2);
    await expect(new Writer(store).deleteCertificate(X)).rejects.toHaveProperty("code", "in-use");
    await expect(new Writer(store).deleteTrustStore(T)).rejects.toHaveProperty("code", "in-use");
  });

  it("has its place in the feed when it is a log entry", async () => {
    await settle(subject());
    const { store, spoil } = subject();
    await spoil("log-entry", "2");
    const { entries } = await store.changesAfter(0, 3);
    expect(entries.map((entry) => entry.kind)).toEqual(["entry", "unreadable", "entry"]);
    expect(entries[1]).toMatchObject({ revision: 2, item: { problem: expect.any(String) } });
  });
}

export function reopenCases(subject: () => StoreUnderTest): void {
  it("has everything that was acknowledged", async () => {
    await settle(subject());
    const before = await everything(subject().store);
    const reopened = await subject().reopen();
    expect(await everything(reopened)).toEqual(before);
    const entry = await new Writer(reopened).putDomain({ name: "c.example" });
    expect(entry.revision).toBe(before.feed.head + 1);
  });
}

/** For a store that ends with its object: the next one holds no data. */
export function forgottenCases(
  subject: () => StoreUnderTest,
  create: () => Promise<StoreUnderTest>,
  reason: string,
): void {
  it(`leaves nothing to the next one, since ${reason}`, async () => {
    await settle(subject());
    const next = await create();
    expect(await next.store.head()).toBe(0);
    expect((await next.store.loadAll()).domains).toEqual([]);
    await next.close();
  });
}
