import { FeedGap } from "../store/log-applier.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contents, domainAtLevel, feedEntry, levelEntry, levelOf } from "../../test/support/settings-feed.ts";
import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { countsOf, type DomainCounts, NO_DOMAIN } from "./domain-group.ts";
import { applyEntries, buildSnapshot } from "./snapshot.ts";
import type { HostView, Snapshot } from "./snapshot-view.ts";
import type { FeedEntry } from "../store/store.ts";

const NONE = new Map();
const name = (text: string) => text as DomainName;
const NOW = Date.parse("2026-11-24T12:00:00Z");

const unreadable = (revision: number, id: string): FeedEntry => ({
  kind: "unreadable",
  revision,
  item: { kind: "domain", id, problem: "not JSON" },
  account: null,
});

describe("applyEntries", () => {
  const start = buildSnapshot(contents(3, [domainAtLevel("a.example", "accept", 3)]), NONE);

  it("makes a new snapshot and leaves the old one as it was", () => {
    const next = applyEntries(start, [levelEntry(4, "a.example", "require")], NONE);
    expect([start.revision, levelOf(start, "a.example")]).toEqual([3, "accept"]);
    expect([next.revision, levelOf(next, "a.example")]).toEqual([4, "require"]);
  });

  it.each([
    ["starts after a gap", [levelEntry(5, "a.example", "none")]],
    ["holds a gap", [levelEntry(4, "a.example", "none"), levelEntry(6, "a.example", "none")]],
    ["goes back", [levelEntry(5, "a.example", "none"), levelEntry(4, "a.example", "none")]],
  ])("refuses a feed that %s", (_, entries) =>
    expect(() => applyEntries(start, entries, NONE)).toThrow(FeedGap),
  );

  it("skips entries that are not newer", () =>
    expect(levelOf(applyEntries(start, [levelEntry(3, "a.example", "none")], NONE), "a.example")).toBe(
      "accept",
    ));

  it("keeps the previous version of a domain whose new one cannot be read, and says so", () => {
    const next = applyEntries(start, [unreadable(4, "a.example")], NONE);
    expect([levelOf(next, "a.example"), next.revision]).toEqual(["accept", 4]);
    expect(next.unreadable.map((item) => item.id)).toEqual(["a.example"]);
    const mended = applyEntries(next, [levelEntry(5, "a.example", "require")], NONE);
    expect([levelOf(mended, "a.example"), mended.unreadable]).toEqual(["require", []]);
  });

  it("calls a domain that was never readable unusable, until it is", () => {
    const next = applyEntries(start, [unreadable(4, "b.example")], NONE);
    expect(levelOf(next, "b.example")).toBe("unusable");
    expect(levelOf(applyEntries(next, [levelEntry(5, "b.example", "none")], NONE), "b.example")).toBe("none");
  });

  it.each(["a.example", "b.example"])("forgets %s once it is deleted, readable or not", (id) => {
    const next = applyEntries(start, [unreadable(4, id)], NONE);
    const deletion = feedEntry(5, {
      kind: "domain",
      id: name(id),
      before: domainAtLevel(id, "accept", 3),
      after: null,
    });
    const gone = applyEntries(next, [deletion], NONE);
    expect([levelOf(gone, id), gone.unreadable]).toEqual([undefined, []]);
  });

  it("takes a host off the items that cannot be read once a write has replaced it", () => {
    const host = name("mx.example");
    const item = { kind: "mx-host", id: host, problem: "not JSON" } as const;
    const damaged = buildSnapshot({ ...contents(3, []), unreadable: [item] }, NONE);
    const entry = levelEntry(4, "a.example", "none");
    if (entry.kind !== "entry") throw new Error("not an entry");
    const after = { host, account: "default", certificateId: null, domainCount: 1 };
    const written = { ...entry, entry: { ...entry.entry, hosts: [{ host, before: null, after }] } };
    expect(applyEntries(damaged, [levelEntry(4, "a.example", "none")], NONE).unreadable).toEqual([item]);
    expect(applyEntries(damaged, [written], NONE).unreadable).toEqual([]);
  });

  it("gives a host the certificate of its item, whichever domain names it", () => {
    const host = name("mx.example");
    const certificateId = "cert_1" as CertificateId;
    const record = { ...domainAtLevel("a.example", "accept", 4), mxHosts: [host] };
    const entry = feedEntry(4, { kind: "domain", id: record.name, before: null, after: record });
    if (entry.kind !== "entry") throw new Error("not an entry");
    const after = { host, account: "default", certificateId, domainCount: 1 };
    const next = applyEntries(
      start,
      [{ ...entry, entry: { ...entry.entry, hosts: [{ host, before: null, after }] } }],
      NONE,
    );
    expect(next.host(host)?.certificateId).toBe(certificateId);
    expect([...(next.host(host)?.domains.names() ?? [])]).toEqual(["a.example"]);
  });
});

describe("a snapshot after any changes", () => {
  const anyDomain = fc
    .record({
      name: fc.constantFrom("a.example", "b.example", "c.example", "d.example"),
      level: fc.constantFrom("none" as const, "accept" as const, "require" as const),
      mode: fc.constantFrom("none" as const, "request" as const, "require" as const),
      enforcement: fc.constantFrom("observe" as const, "reject" as const),
      mxHosts: fc.subarray(["mx1.example", "mx2.example"]),
      pins: fc.subarray(["sha256//a"]),
      exceptions: fc.array(
        fc.record({
          match: fc.constantFrom({ clientCidr: "192.0.2.0/24" }, { clientName: name("c.example") }),
          level: fc.constantFrom(undefined, "none" as const, "require" as const),
          clientCertificateMode: fc.constantFrom(undefined, "none" as const, "request" as const),
          reason: fc.constant("test"),
          expiresAt: fc.constantFrom(undefined, "2026-11-24T11:00:00Z", "2026-11-24T13:00:00Z"),
        }),
        { maxLength: 2 },
      ),
    })
    .map((given): DomainRecord => {
      const base = domainAtLevel(given.name, given.level, 0);
      const { server, clientCertificate } = base.tls;
      const trust = { ...clientCertificate.trust, pins: given.pins };
      return {
        ...base,
        mxHosts: given.mxHosts.map(name),
        tls: {
          server,
          clientCertificate: { ...clientCertificate, mode: given.mode, trust },
          enforcement: given.enforcement,
          exceptions: given.exceptions,
        },
      };
    });
  const anyChange = fc.record({ domain: anyDomain, remove: fc.boolean() });

  const groupOf = ({ domains, certificateId, host }: HostView) => ({
    host,
    certificateId,
    names: [...domains.names()].toSorted(),
    counts: domains.countsAt(NOW),
    common: domains.commonTrust(),
  });
  const seen = (snapshot: Snapshot) => ({
    revision: snapshot.revision,
    domains: [...snapshot.domains.records()].toSorted((a, b) => a.name.localeCompare(b.name)),
    counts: snapshot.domains.countsAt(NOW),
    hosts: [...snapshot.hosts()].map(groupOf).toSorted((a, b) => a.host.localeCompare(b.host)),
  });
  const sum = (domains: Iterable<DomainRecord>, nowMs = NOW): DomainCounts =>
    [...domains]
      .map((domain) => countsOf(domain, nowMs))
      .reduce(
        (a, b) => ({
          domains: a.domains + b.domains,
          offeringTls: a.offeringTls + b.offeringTls,
          askingForCertificate: a.askingForCertificate + b.askingForCertificate,
          strictlyRequiringTls: a.strictlyRequiringTls + b.strictlyRequiringTls,
        }),
        NO_DOMAIN,
      );

  it("is what a full load of the same settings gives, and counts what its domains add up to", () =>
    fc.assert(
      fc.property(fc.array(anyChange, { maxLength: 20 }), (changes) => {
        const model = new Map<DomainName, DomainRecord>();
        let snapshot = buildSnapshot(contents(0, []), NONE);
        changes.forEach(({ domain, remove }, index) => {
          const before = model.get(domain.name) ?? null;
          const after = remove && before !== null ? null : { ...domain, revision: index + 1 };
          if (after === null) model.delete(domain.name);
          else model.set(domain.name, after);
          snapshot = applyEntries(
            snapshot,
            [feedEntry(index + 1, { kind: "domain", id: domain.name, before, after })],
            NONE,
          );
        });
        const loaded = buildSnapshot(contents(changes.length, [...model.values()]), NONE);
        expect(seen(snapshot)).toEqual(seen(loaded));
        expect(snapshot.domains.countsAt(NOW)).toEqual(sum(model.values()));
        // Around both expiries, forwards and back: what was counted at one moment must not be said of
        // another.
        for (const atMs of [-3_600_000, -3_600_001, 3_599_999, 3_600_000, -3_600_001, 0].map(
          (ms) => NOW + ms,
        )) {
          expect(snapshot.domains.countsAt(atMs)).toEqual(sum(model.values(), atMs));
        }
        const except = ["a.example", "x.example"].map(name);
        expect(snapshot.domains.countsAt(NOW, except)).toEqual(
          sum([...model.values()].filter((domain) => domain.name !== "a.example")),
        );
      }),
    ));
});
