import { expect, it } from "vitest";
import { domainRecord, certificateId, certificateRecord, name } from "../support/records.ts";
import { type HostAttribute, readableEntries, type StoreUnderTest, Writer } from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];
const [a, b] = [name("a.example"), name("b.example")];
const [mx1, mx2] = [name("mx1.example"), name("mx2.example")];
const A = { name: a, mxHosts: [mx1], server: { certificateId: X } };
const ATTRIBUTES: readonly HostAttribute[] = ["account", "certificateId", "domainCount"];

/** Two certificates of one account; `a` on mx1 and `b` on mx2 serve the first. Head 4. */
async function settle({ store }: StoreUnderTest): Promise<Writer> {
  const writer = new Writer(store);
  for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
  await writer.putDomain(A);
  await writer.putDomain({ name: b, mxHosts: [mx2], server: { certificateId: X } });
  return writer;
}

/** Unreadable items of MX hosts: any write of a domain that names them replaces them. */
export function damagedHostCases(subject: () => StoreUnderTest): void {
  it.each(ATTRIBUTES)(
    "is shown with its known attributes, beside the others: its %s is lost",
    async (lost) => {
      await settle(subject());
      const { store, other, spoil } = subject();
      await spoil("mx-host", mx1, lost);
      const known = {
        host: mx1,
        account: "default",
        certificateId: X,
        domainCount: 1,
        certificateRevision: 3,
        isDamaged: true,
      };
      expect((await other.getDomainWithHosts(a))?.hosts).toEqual(new Map([[mx1, known]]));
      const hosts = await store.getMxHosts([mx2, mx1]);
      expect(hosts.get(mx1)).toEqual(known);
      expect(hosts.get(mx2)).not.toHaveProperty("isDamaged");
      expect(await store.hostsOfCertificate(X)).toMatchObject([known, { host: mx2 }]);
    },
  );

  it.each(ATTRIBUTES)(
    "is replaced by a write of its domain, with its certificate: its %s is lost",
    async (lost) => {
      const writer = await settle(subject());
      const { store, other, spoil } = subject();
      await spoil("mx-host", mx1, lost);
      await writer.putDomain({ ...A, enforcement: "defer" });
      const whole = {
        host: mx1,
        account: "default",
        certificateId: X,
        domainCount: 1,
        certificateRevision: 5,
      };
      expect(await other.getMxHosts([mx1])).toEqual(new Map([[mx1, whole]]));
      expect((await other.loadAll()).unreadable).toEqual([]);
      const [entry] = readableEntries((await other.changesAfter(4, 1)).entries);
      expect(entry?.hosts).toEqual([{ host: mx1, before: null, after: whole }]);
      expect(await store.useCount("certificate", X)).toBe(2);
      // The counts are right: nothing is left over and nothing is missing once both are gone.
      for (const domain of [a, b]) await writer.deleteDomain(domain);
      expect(await store.useCount("certificate", X)).toBe(0);
      await writer.deleteCertificate(X);
    },
  );

  it.each(ATTRIBUTES)(
    "accepts another certificate, and releases the previous one: its %s is lost",
    async (lost) => {
      const writer = await settle(subject());
      const { store, spoil } = subject();
      await spoil("mx-host", mx1, lost);
      await writer.putDomain({ ...A, server: { certificateId: Y } });
      expect([await store.useCount("certificate", X), await store.useCount("certificate", Y)]).toEqual([
        1, 1,
      ]);
      expect(await store.hostsOfCertificate(Y)).toMatchObject([{ host: mx1 }]);
    },
  );

  it.each(ATTRIBUTES)("is deleted with its last domain: its %s is lost", async (lost) => {
    const writer = await settle(subject());
    const { store, other, spoil } = subject();
    await spoil("mx-host", mx1, lost);
    await writer.deleteDomain(a);
    expect(await other.getMxHosts([mx1])).toEqual(new Map());
    expect((await other.loadAll()).unreadable).toEqual([]);
    expect(await store.useCount("certificate", X)).toBe(1);
    readableEntries((await other.changesAfter(0, 10)).entries);
  });

  it.each(ATTRIBUTES)(
    "is kept complete for the other domain when one is deleted: its %s is lost",
    async (lost) => {
      const writer = await settle(subject());
      const { other, spoil } = subject();
      await writer.putDomain({ ...A, name: "c.example" });
      await spoil("mx-host", mx1, lost);
      await writer.deleteDomain(a);
      const left = (await other.getMxHosts([mx1])).get(mx1);
      expect(left).toMatchObject({ account: "default", certificateId: X, domainCount: 1 });
      expect(left).not.toHaveProperty("isDamaged");
    },
  );

  it.each(["certificateId", "domainCount"] as const)(
    "is not changed by another account: its %s is lost",
    async (lost) => {
      const writer = await settle(subject());
      const { other, spoil } = subject();
      await spoil("mx-host", mx1, lost);
      await writer.putDomain({ name: "o.example", account: "other", mxHosts: [mx1] });
      await writer.putDomain({ name: "o.example", account: "other", mxHosts: [mx1], enforcement: "defer" });
      await writer.deleteDomain(name("o.example"));
      expect((await other.getMxHosts([mx1])).get(mx1)).toMatchObject({ account: "default", isDamaged: true });
      expect((await other.loadAll()).unreadable).toMatchObject([{ kind: "mx-host", id: mx1 }]);
    },
  );

  it("has no owner while the owner is lost and two accounts name it, and then belongs to the remaining one", async () => {
    const writer = await settle(subject());
    const { other, spoil } = subject();
    await writer.putDomain({ name: "o.example", account: "other", mxHosts: [mx1] });
    await spoil("mx-host", mx1, "account");
    const ownerOf = async () => (await other.getMxHosts([mx1])).get(mx1)?.account;
    expect(await ownerOf()).toBe("");
    await writer.putDomain({ ...A, server: { certificateId: null }, enforcement: "defer" });
    expect(await ownerOf()).toBe("");
    await writer.deleteDomain(name("o.example"));
    expect(await ownerOf()).toBe("default");
    await writer.putDomain(A);
    expect((await other.getMxHosts([mx1])).get(mx1)).not.toHaveProperty("isDamaged");
  });

  it("has the certificate of the domains that name it, also while a host of another certificate is unreadable", async () => {
    const writer = await settle(subject());
    const { other, spoil } = subject();
    await writer.putDomain({ name: b, mxHosts: [mx2], server: { certificateId: Y } });
    for (const host of [mx1, mx2]) await spoil("mx-host", host, "certificateId");
    const hosts = await other.getMxHosts([mx1, mx2]);
    expect([hosts.get(mx1)?.certificateId, hosts.get(mx2)?.certificateId]).toEqual([X, Y]);
  });

  it("is not replaced by a plan that is older than another write's replacement", async () => {
    const writer = await settle(subject());
    const { store, spoil } = subject();
    await spoil("mx-host", mx1);
    const planned = await writer.planDomain(a, domainRecord({ ...A, enforcement: "defer" }), 4);
    await writer.putDomain({ ...A, name: "c.example" });
    await expect(store.commit(planned)).rejects.toHaveProperty("name", "Contention");
    expect((await store.getMxHosts([mx1])).get(mx1)).toMatchObject({ domainCount: 2 });
  });
}
