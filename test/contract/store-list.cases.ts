import { expect, it } from "vitest";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { DomainFilter, Page, PageRequest, Store } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  type DomainParts,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { eventually, type StoreUnderTest, Writer } from "./store-under-test.ts";

const [X, Y] = [certificateId(1), certificateId(2)];

/** All pages in a row. */
async function allPages<T>(list: (page: PageRequest) => Promise<Page<T>>, limit: number): Promise<T[][]> {
  const pages: T[][] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await list({ limit, after });
    pages.push([...page.items]);
    after = page.next;
    if (pages.length > 100) throw new Error("the list does not end");
  }
  return pages;
}

async function domainNames(store: Store, filter: Partial<DomainFilter>, limit = 200): Promise<DomainName[]> {
  const pages = await allPages((page) => store.listDomains({ account: "default", ...filter }, page), limit);
  for (const page of pages) expect(page.length).toBeLessThanOrEqual(limit);
  return pages.flat().map((domain) => domain.name);
}

async function domains(store: Store, ...list: DomainParts[]): Promise<void> {
  const writer = new Writer(store);
  for (const parts of list) await writer.putDomain(parts);
}

const five = ["a.example", "b.example", "b2.example", "c.example", "xn--bcher-kva.example"];

export function listCases(subject: () => StoreUnderTest): void {
  it.each([1, 2, 4, 5, 200])("list domains by name, %i on a page, each once", async (limit) => {
    const { store } = subject();
    await domains(store, ...five.toReversed().map((each) => ({ name: each })), {
      name: "z.example",
      account: "other",
    });
    await eventually(async () => expect(await domainNames(store, {}, limit)).toEqual(five));
    expect(await domainNames(store, { account: "other" }, limit)).toEqual(["z.example"]);
    expect(await domainNames(store, { account: "absent" }, limit)).toEqual([]);
  });

  it("tell whether a domain of any account exists besides some", async () => {
    const { store } = subject();
    const [a, b] = [name("a.example"), name("b.example")];
    expect(await store.hasDomainBeside([])).toBe(false);
    await domains(store, { name: a }, { name: b, account: "other" });
    await eventually(async () => expect(await store.hasDomainBeside([a])).toBe(true));
    await eventually(async () => expect(await store.hasDomainBeside([a, b])).toBe(false));
    expect(await store.hasDomainBeside([])).toBe(true);
    await new Writer(store).deleteDomain(b);
    await eventually(async () => expect(await store.hasDomainBeside([a])).toBe(false));
    const entry = (id: string) => ({
      name: name(id),
      value: "postern=x",
      expiresAt: "2026-01-08T00:00:00.000Z",
    });
    await domains(store, { name: b, account: "other", pendingNames: [entry(b)] });
    await eventually(async () => expect(await domainNames(store, { account: "other" }, 9)).toEqual([b]));
    expect(await store.hasDomainBeside([a])).toBe(false);
    await domains(store, { name: "c.example", account: "other", pendingNames: [entry("mx.c.example")] });
    await eventually(async () => expect(await store.hasDomainBeside([a])).toBe(true));
  });

  it("continue after the last key although its record was deleted meanwhile", async () => {
    const { store } = subject();
    await domains(store, ...five.map((each) => ({ name: each })));
    await eventually(async () => expect(await domainNames(store, {})).toEqual(five));
    await new Writer(store).deleteDomain(name("b.example"));
    const { items, next } = await store.listDomains(
      { account: "default" },
      { limit: 200, after: "b.example" },
    );
    expect(items.map((domain) => domain.name)).toEqual(five.slice(2));
    expect(next).toBeNull();
  });

  it.each([
    ["b", ["b.example", "b2.example"]],
    ["b.", ["b.example"]],
    ["b.example", ["b.example"]],
    ["", five],
    ["d", []],
    ["%", []],
    ["_.example", []],
    ["b%", []],
    ["*", []],
    ["B", []],
    ["b\u0000", []],
    ["'", []],
    ["b\u{10ffff}", []],
  ])("filter domains by the prefix %j, taken literally", async (prefix, expected) => {
    const { store } = subject();
    await domains(store, ...five.map((each) => ({ name: each })));
    await eventually(async () => expect(await domainNames(store, {})).toEqual(five));
    expect(await domainNames(store, { prefix })).toEqual(expected);
    expect(await domainNames(store, { prefix }, 1)).toEqual(expected);
  });

  it("filter domains by the certificate that their own hosts serve, not by the domain that set it", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putCertificate(certificateRecord({ id: Y }));
    await domains(
      store,
      { name: "a.example", mxHosts: ["mx1.example", "mx2.example"], server: { certificateId: X } },
      { name: "b.example", mxHosts: ["mx1.example"], server: { certificateId: X } },
      { name: "c.example", mxHosts: ["mx2.example"], server: { certificateId: Y } },
      { name: "d.example", mxHosts: ["mx3.example"] },
      { name: "e.example", mxHosts: ["mx1.example"], account: "other" },
    );
    await eventually(async () => {
      expect(await domainNames(store, { certificateId: X })).toEqual(["a.example", "b.example"]);
      expect(await domainNames(store, { certificateId: Y }, 1)).toEqual(["a.example", "c.example"]);
    });
    expect(await domainNames(store, { certificateId: X, prefix: "b" })).toEqual(["b.example"]);
    expect(await domainNames(store, { certificateId: X, account: "other" })).toEqual([]);
    expect(await domainNames(store, { certificateId: certificateId(3) })).toEqual([]);
  });

  it("list certificates and trust stores of one account in order of their ids", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    for (const n of [3, 1, 2]) {
      await writer.putCertificate(certificateRecord({ id: certificateId(n) }));
      await writer.putTrustStore(trustStoreRecord({ id: trustStoreId(n) }));
    }
    await writer.putCertificate(certificateRecord({ id: certificateId(4), account: "other" }));
    await writer.putTrustStore(trustStoreRecord({ id: trustStoreId(4), account: "other" }));
    await eventually(async () => {
      const certificates = await allPages((page) => store.listCertificates("default", page), 2);
      expect(certificates.flat().map((record) => record.id)).toEqual([1, 2, 3].map(certificateId));
      const trustStores = await allPages((page) => store.listTrustStores("default", page), 2);
      expect(trustStores.flat().map((record) => record.id)).toEqual([1, 2, 3].map(trustStoreId));
    });
  });

  it("give a domain with the items of its hosts", async () => {
    const { store, other } = subject();
    await new Writer(store).putCertificate(certificateRecord({ id: X }));
    await domains(
      store,
      { name: "b.example", mxHosts: ["mx2.example"], account: "other" },
      { name: "a.example", mxHosts: ["mx1.example"], server: { certificateId: X } },
      { name: "c.example", mxHosts: ["mx1.example", "mx2.example"], server: { certificateId: X } },
    );
    const found = await other.getDomainWithHosts(name("c.example"));
    expect(found?.domain).toEqual(await other.getDomain(name("c.example")));
    expect(found?.hosts).toEqual(
      new Map([
        ["mx1.example", expect.objectContaining({ account: "default", domainCount: 2 })],
        ["mx2.example", expect.objectContaining({ account: "other", certificateId: null })],
      ]),
    );
    expect(await other.getDomainWithHosts(name("d.example"))).toBeNull();
  });

  it("name the first domains on hosts, of a trust store, and the first hosts of a certificate", async () => {
    const { store, other } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putTrustStore(trustStoreRecord({ id: trustStoreId(1) }));
    const on = (text: string, ...mxHosts: string[]) => ({
      name: text,
      mxHosts,
      server: { certificateId: X },
      trustStoreIds: [trustStoreId(1)],
    });
    await domains(
      store,
      on("d.example", "mx1.example"),
      on("b.example", "mx1.example", "mx2.example"),
      on("c.example", "mx2.example"),
      { name: "a.example", mxHosts: ["mx1.example"], account: "other" },
    );
    const [mx1, mx2] = [name("mx1.example"), name("mx2.example")];
    const first = (hosts: DomainName[], limit: number) => other.firstDomainsOnHosts("default", hosts, limit);
    const all = ["b.example", "c.example", "d.example"];
    expect(await first([mx2, mx1], 3)).toEqual({ names: all, isAll: true });
    expect(await first([mx2, mx1], 2)).toEqual({ names: all.slice(0, 2), isAll: false });
    expect(await first([mx1], 9)).toEqual({ names: ["b.example", "d.example"], isAll: true });
    expect(await first([name("no.example")], 9)).toEqual({ names: [], isAll: true });
    expect(await other.firstDomainsOfTrustStore(trustStoreId(1), 2)).toEqual(all.slice(0, 2));
    expect(await other.firstDomainsOfTrustStore(trustStoreId(1), 9)).toEqual(all);
    expect(await other.firstDomainsOfTrustStore(trustStoreId(2), 9)).toEqual([]);
    expect((await other.hostsOfCertificate(X, 1)).map(({ host }) => host)).toEqual([mx1]);
  });

  it("name the hosts of a certificate at once, of any account", async () => {
    const { store, other } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putCertificate(certificateRecord({ id: Y, account: "other" }));
    await domains(
      store,
      { name: "a.example", mxHosts: ["mx2.example", "mx1.example"], server: { certificateId: X } },
      { name: "b.example", mxHosts: ["mx3.example"], server: { certificateId: Y }, account: "other" },
    );
    const hosts = await other.hostsOfCertificate(X);
    expect(hosts.map((host) => host.host).toSorted()).toEqual(["mx1.example", "mx2.example"]);
    expect(await other.hostsOfCertificate(Y)).toEqual([
      { host: "mx3.example", account: "other", certificateId: Y, domainCount: 1, certificateRevision: 4 },
    ]);
    expect(await other.hostsOfCertificate(certificateId(3))).toEqual([]);
  });

  it("count the domains of an account on hosts, each once, and name the first", async () => {
    const { store } = subject();
    await domains(
      store,
      { name: "c.example", mxHosts: ["mx1.example", "mx2.example"] },
      { name: "a.example", mxHosts: ["mx2.example", "mx1.example"] },
      { name: "b.example", mxHosts: ["mx2.example"] },
      { name: "d.example", mxHosts: ["mx3.example"] },
      { name: "e.example", mxHosts: ["mx1.example"], account: "other" },
    );
    const both = [name("mx1.example"), name("mx2.example")];
    expect(await store.domainsOnHosts("default", both, 2)).toEqual({
      count: 3,
      names: ["a.example", "b.example"],
    });
    expect(await store.domainsOnHosts("other", both, 20)).toEqual({ count: 1, names: ["e.example"] });
    expect(await store.domainsOnHosts("default", [name("no.example")], 20)).toEqual({ count: 0, names: [] });
    expect(await store.domainsOnHosts("default", [], 20)).toEqual({ count: 0, names: [] });
    await new Writer(store).putDomain({ name: "c.example", mxHosts: ["mx3.example"] });
    expect(await store.domainsOnHosts("default", both, 20)).toEqual({
      count: 2,
      names: ["a.example", "b.example"],
    });
  });

  it("name the domains of a trust store at once, of any account", async () => {
    const { store, other } = subject();
    const [T, U] = [trustStoreId(1), trustStoreId(2)];
    await new Writer(store).putTrustStore(trustStoreRecord({ id: T }));
    await new Writer(store).putTrustStore(trustStoreRecord({ id: U }));
    await domains(
      store,
      { name: "a.example", trustStoreIds: [T, U] },
      { name: "b.example", trustStoreIds: [T], account: "other" },
      { name: "c.example", trustStoreIds: [U] },
    );
    const naming = async (id: typeof T) =>
      (await other.domainsOfTrustStore(id)).map((domain) => domain.name).toSorted();
    expect(await naming(T)).toEqual(["a.example", "b.example"]);
    await domains(store, { name: "a.example", trustStoreIds: [U] });
    expect(await naming(T)).toEqual(["b.example"]);
    expect(await naming(U)).toEqual(["a.example", "c.example"]);
  });
}
