import { expect, it } from "vitest";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { Commit, Store } from "../../core/store/store.ts";
import { certificateId, certificateRecord, name } from "../support/records.ts";
import {
  commitOf,
  everything,
  replay,
  sorted,
  type StoreUnderTest,
  wholeLog,
  Writer,
} from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [mx1, mx2] = [name("mx1.example"), name("mx2.example")];
/** Caps of one domain. */
const HOSTS_OF_DOMAIN = 20;

/** X serves two hosts, one of them for two domains; Y serves none. Head 5. */
async function settle(store: Store): Promise<Writer> {
  const writer = new Writer(store);
  for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
  await writer.putDomain({ name: "a.example", mxHosts: [mx1, mx2], server: { certificateId: X } });
  await writer.putDomain({ name: "b.example", mxHosts: [mx1], server: { certificateId: X } });
  await writer.putDomain({ name: "c.example" });
  return writer;
}

/** Moves hosts of X to Y; `record` = X is deleted, or Y is written. */
async function moving(
  store: Store,
  record: "deletes X" | "writes Y",
  hosts?: readonly DomainName[],
): Promise<Commit> {
  const expectedHead = await store.head();
  const changes = (await store.hostsOfCertificate(X))
    .filter(({ host }) => hosts?.includes(host) !== false)
    .map((before) => {
      const { isDamaged: _, ...whole } = before;
      return { host: before.host, before, after: { ...whole, certificateId: Y } };
    });
  const uses = [
    { kind: "certificate", id: Y, delta: changes.length },
    { kind: "certificate", id: X, delta: -changes.length },
  ] as const;
  const [x, y] = [await store.getCertificate(X), await store.getCertificate(Y)];
  const written =
    record === "deletes X"
      ? ({ kind: "certificate", id: X, before: x, after: null } as const)
      : ({ kind: "certificate", id: Y, before: y, after: y } as const);
  return commitOf(written, { expectedHead, hosts: changes, uses });
}

const usesOf = async (store: Store) => [
  await store.useCount("certificate", X),
  await store.useCount("certificate", Y),
];

/** Commits that delete a certificate whose MX hosts take another one at the same time. */
export function replacementCases(subject: () => StoreUnderTest): void {
  it("is one revision: its hosts, both counts of uses and the log agree", async () => {
    const { store, other } = subject();
    const writer = await settle(store);
    const entry = await store.commit(await moving(store, "deletes X"));
    expect(entry).toMatchObject({ revision: 6, action: "delete", record: { id: X, after: null } });
    expect(entry.hosts).toMatchObject([
      { host: mx1, before: { certificateId: X }, after: { certificateId: Y, certificateRevision: 6 } },
      { host: mx2, before: { certificateId: X }, after: { certificateId: Y, certificateRevision: 6 } },
    ]);
    expect(await usesOf(other)).toEqual([0, 2]);
    expect(await other.hostsOfCertificate(X)).toEqual([]);
    expect((await other.hostsOfCertificate(Y)).map(({ host }) => host)).toEqual([mx1, mx2]);
    expect(sorted(await other.loadAll())).toEqual(replay(await wholeLog(other), 6));
    // Nothing is left over: the other one is as free as it was once its domains have gone.
    for (const domain of ["a.example", "b.example"]) await writer.deleteDomain(name(domain));
    await writer.deleteCertificate(Y);
  });

  it("is refused as in use, and stores nothing, while a host stays behind", async () => {
    const { store } = subject();
    await settle(store);
    const before = await everything(store);
    await expect(store.commit(await moving(store, "deletes X", [mx1]))).rejects.toMatchObject({
      name: "StateConflict",
      code: "in-use",
      message: expect.stringContaining("used by 1 MX hosts"),
    });
    expect(await everything(store)).toEqual(before);
  });

  it("is planned again where another host took the certificate, or lost it, meanwhile", async () => {
    const { store } = subject();
    const writer = await settle(store);
    const planned = await moving(store, "deletes X");
    await writer.putDomain({ name: "c.example", mxHosts: ["mx3.example"], server: { certificateId: X } });
    await expect(store.commit(planned)).rejects.toHaveProperty("name", "Contention");
    const again = await moving(store, "deletes X");
    await writer.deleteDomain(name("c.example"));
    await expect(store.commit(again)).rejects.toHaveProperty("name", "Contention");
    await store.commit(await moving(store, "deletes X"));
    expect(await usesOf(store)).toEqual([0, 2]);
  });

  it("may move some of the hosts before, with a write of the other certificate", async () => {
    const { store, other } = subject();
    await settle(store);
    const entry = await store.commit(await moving(store, "writes Y", [mx1]));
    expect(entry).toMatchObject({ action: "update", record: { id: Y, after: { revision: 6 } } });
    expect(await usesOf(other)).toEqual([1, 1]);
    expect(await other.getCertificate(X)).toMatchObject({ revision: 1 });
    await store.commit(await moving(store, "deletes X"));
    expect(await usesOf(other)).toEqual([0, 2]);
    expect(sorted(await other.loadAll())).toEqual(replay(await wholeLog(other), 7));
  });

  it("needs the certificate that takes its place", async () => {
    const { store } = subject();
    const writer = await settle(store);
    const planned = await moving(store, "deletes X");
    await writer.deleteCertificate(Y);
    const late = { ...planned, expectedHead: 6 };
    await expect(store.commit(late)).rejects.toHaveProperty("name", "Contention");
    expect(await usesOf(store)).toEqual([2, 0]);
  });

  it.each(["account", "certificateId", "domainCount"] as const)(
    "makes an MX host whole that cannot be read: its %s is lost",
    async (lost) => {
      const { store, other, spoil } = subject();
      await settle(store);
      await spoil("mx-host", mx2, lost);
      await store.commit(await moving(store, "deletes X"));
      expect((await other.loadAll()).unreadable).toEqual([]);
      expect(await other.hostsOfCertificate(Y)).toEqual([
        { host: mx1, account: "default", certificateId: Y, domainCount: 2, certificateRevision: 6 },
        { host: mx2, account: "default", certificateId: Y, domainCount: 1, certificateRevision: 6 },
      ]);
      expect(await usesOf(other)).toEqual([0, 2]);
    },
  );

  it("takes as many hosts at once as the store says", async () => {
    const { store, other } = subject();
    const writer = await settle(store);
    const more = store.hostsPerCommit - 2;
    for (let first = 0; first < more; first += HOSTS_OF_DOMAIN) {
      const count = Math.min(HOSTS_OF_DOMAIN, more - first);
      const mxHosts = Array.from({ length: count }, (_, at) => `mx${first + at}.${"l".repeat(60)}.example`);
      await writer.putDomain({ name: `d${first}.example`, mxHosts, server: { certificateId: X } });
    }
    const planned = await moving(store, "deletes X");
    expect(planned.hosts).toHaveLength(store.hostsPerCommit);
    await store.commit(planned);
    expect(await usesOf(other)).toEqual([0, store.hostsPerCommit]);
    expect(await other.hostsOfCertificate(X)).toEqual([]);
    expect(await other.hostsOfCertificate(Y)).toHaveLength(store.hostsPerCommit);
  });
}

/** The same with a queue of writers. */
export function queuedReplacementCases(subject: () => StoreUnderTest): void {
  it("stores the replacement of a certificate that was offered", async () => {
    const { store } = subject();
    const writer = await settle(store);
    const queue = await store.queue();
    if (queue === null) throw new TypeError("the store has no queue");
    for (const _ of ["first", "second"]) await queue.enter();
    const own = await writer.planDomain(name("c.example"), null, 5);
    const commit = await moving(store, "deletes X");
    expect(await queue.offer({ ticket: 2, commit })).toBe(true);
    const [offer] = await queue.offersAfter(1);
    if (offer === undefined) throw new TypeError("the offer cannot be read");
    const along = [{ ...offer, commit: { ...offer.commit, expectedHead: 6 } }];
    await store.commit({ ...own, ticket: 1, along });
    expect(await queue.line({ offer: 2 })).toMatchObject({ head: 7, served: 2, storedAt: 7 });
    expect(await usesOf(store)).toEqual([0, 2]);
    expect(await store.getCertificate(X)).toBeNull();
  });
}
