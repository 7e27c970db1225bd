import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentsAfter, FeedGap } from "../../core/store/log-applier.ts";
import type { MxHostChange } from "../../core/record/mx-host.ts";
import { applyEntries, buildSnapshot } from "../../core/snapshot/snapshot.ts";
import type { FeedEntry, RecordChange, StoreContents, UnreadableItem } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { contents, feedEntry, shown } from "../support/settings-feed.ts";

const NO_CONTENT = new Map();

/** The two appliers of log entries: for a backup, and for an edge between two polls. */
const APPLIERS = [
  {
    what: "contents",
    apply: (before: StoreContents, entries: readonly FeedEntry[]) =>
      shown(buildSnapshot(contentsAfter(before, entries), NO_CONTENT)),
  },
  {
    what: "a snapshot",
    apply: (before: StoreContents, entries: readonly FeedEntry[]) =>
      shown(applyEntries(buildSnapshot(before, NO_CONTENT), entries, NO_CONTENT)),
  },
] as const;

const HOST = name("mx.example");
const domain = (revision: number, id = "a.example") =>
  domainRecord({ name: id, mxHosts: [HOST], server: { certificateId: certificateId(1) }, revision });
const certificate = (revision: number, n = 1) => certificateRecord({ id: certificateId(n), revision });
const trustStore = (revision: number, n = 1) => trustStoreRecord({ id: trustStoreId(n), revision });
const host = (certificateOf: number | null) => ({
  host: HOST,
  account: "default",
  certificateId: certificateOf === null ? null : certificateId(certificateOf),
  domainCount: 1,
});

/** Contents at revision 3 with one record of each kind. */
const START: StoreContents = {
  ...contents(3, [domain(1)]),
  mxHosts: [host(1)],
  certificates: [certificate(2)],
  trustStores: [trustStore(3)],
};

const KINDS = [
  { kind: "domain", list: "domains", make: domain, key: name("a.example") },
  { kind: "certificate", list: "certificates", make: certificate, key: certificateId(1) },
  { kind: "trust-store", list: "trustStores", make: trustStore, key: trustStoreId(1) },
] as const;

const change = (kind: string, before: object | null, after: object | null): RecordChange => {
  const { name: domainName, id = domainName } = (after ?? before) as { name?: string; id?: string };
  return { kind, id, before, after } as RecordChange;
};
const withHosts = (entry: FeedEntry, ...hosts: MxHostChange[]): FeedEntry =>
  entry.kind === "entry" ? { ...entry, entry: { ...entry.entry, hosts } } : entry;
const unreadable = (revision: number, kind: UnreadableItem["kind"], id: string): FeedEntry => ({
  kind: "unreadable",
  revision,
  item: { kind, id, problem: `at ${revision}` },
  account: null,
});

describe.each(APPLIERS)("log entries applied to $what", ({ apply }) => {
  const before = apply(START, []);

  it("change only the revision when the list is empty", () =>
    expect(before).toEqual({
      revision: 3,
      domains: ["a.example 1"],
      certificates: [`${certificateId(1)} 2`],
      trustStores: [`${trustStoreId(1)} 3`],
      hosts: [`${HOST} ${certificateId(1)}`],
      unreadable: [],
    }));

  it.each(KINDS)("replace, create and delete a $kind", ({ kind, list, make, key }) => {
    const replaced = apply(START, [feedEntry(4, change(kind, make(1), make(4)))]);
    expect(replaced).toEqual({ ...before, revision: 4, [list]: [`${key} 4`] });
    const deletion = feedEntry(4, change(kind, make(1), null));
    expect(apply(START, [deletion])).toMatchObject({ revision: 4, [list]: [] });
    const created = apply(START, [deletion, feedEntry(5, change(kind, null, make(5)))]);
    expect(created).toEqual({ ...before, revision: 5, [list]: [`${key} 5`] });
  });

  it.each(KINDS)("keep the version of a $kind whose newer one cannot be read, and list it", (row) => {
    const { kind, list, make, key } = row;
    const damaged = [unreadable(4, kind, key)];
    expect(apply(START, damaged)).toEqual({
      ...before,
      revision: 4,
      unreadable: [`${kind} ${key}: at 4`],
    });
    expect(apply(START, [...damaged, unreadable(5, kind, key)]).unreadable).toEqual([`${kind} ${key}: at 5`]);
    const mended = [...damaged, feedEntry(5, change(kind, make(1), make(5)))];
    expect(apply(START, mended)).toEqual({ ...before, revision: 5, [list]: [`${key} 5`] });
    const deleted = [...damaged, feedEntry(5, change(kind, make(1), null))];
    expect(apply(START, deleted)).toMatchObject({ revision: 5, [list]: [], unreadable: [] });
  });

  it("keep the items that cannot be read of other records", () => {
    const others = KINDS.map(({ kind }, index) => unreadable(4 + index, kind, `other ${kind}`));
    const entries = [...others, feedEntry(7, change("certificate", certificate(2), certificate(7)))];
    expect(apply(START, entries).unreadable).toHaveLength(3);
  });

  it("give each host the certificate of its last change", () => {
    const write = (revision: number, after: ReturnType<typeof host> | null) =>
      withHosts(feedEntry(revision, change("domain", domain(1), domain(revision))), {
        host: HOST,
        before: host(1),
        after,
      });
    expect(apply(START, [write(4, host(2))]).hosts).toEqual([`${HOST} ${certificateId(2)}`]);
    expect(apply(START, [write(4, host(2)), write(5, host(3))]).hosts).toEqual([
      `${HOST} ${certificateId(3)}`,
    ]);
    expect(apply(START, [write(4, host(null))]).hosts).toEqual([`${HOST} default`]);
    expect(apply(START, [write(4, null)]).hosts).toEqual([`${HOST} default`]);
  });

  it("remove a host from the unreadable items when a write has replaced it", () => {
    const item = { kind: "mx-host", id: HOST, problem: "not JSON" } as const;
    const damaged = { ...START, mxHosts: [], unreadable: [item] };
    const entry = feedEntry(4, change("domain", domain(1), domain(4)));
    expect(apply(damaged, [entry]).unreadable).toEqual([`mx-host ${HOST}: not JSON`]);
    const written = apply(damaged, [withHosts(entry, { host: HOST, before: null, after: host(2) })]);
    expect(written).toMatchObject({ hosts: [`${HOST} ${certificateId(2)}`], unreadable: [] });
  });

  it.each([
    ["starts later", [5]],
    ["holds a gap", [4, 6]],
    ["holds a gap behind entries that are not newer", [2, 3, 5]],
    ["begins with an entry that cannot be read, and later", [-5]],
  ])("are refused as a whole when the feed %s", (_, revisions) => {
    const entries = revisions.map((revision) =>
      revision < 0
        ? unreadable(-revision, "domain", "a.example")
        : feedEntry(revision, change("domain", domain(1), domain(revision))),
    );
    expect(() => apply(START, entries)).toThrow(FeedGap);
  });

  it("are skipped when they are not newer, readable or not", () => {
    const entries = [
      feedEntry(2, change("domain", domain(1), null)),
      unreadable(3, "trust-store", trustStoreId(1)),
    ];
    expect(apply(START, entries)).toEqual(before);
    const next = feedEntry(4, change("domain", domain(1), domain(4)));
    expect(apply(START, [...entries, next, next])).toEqual(apply(START, [next]));
  });

  it("do not mutate the contents that they are applied to", () => {
    const copy = structuredClone(START);
    apply(START, [feedEntry(4, change("domain", domain(1), null)), unreadable(5, "domain", "b.example")]);
    expect(START).toEqual(copy);
  });
});

const anyEntry = fc
  .record({
    which: fc.constantFrom(...KINDS),
    other: fc.boolean(),
    fate: fc.constantFrom("written", "deleted", "unreadable"),
    certificateOf: fc.constantFrom(null, 1, 2),
    touchesHost: fc.boolean(),
  })
  .map((entry) => (revision: number): FeedEntry => {
    const { kind, make } = entry.which;
    const after =
      kind === "domain"
        ? domain(revision, entry.other ? "b.example" : "a.example")
        : make(revision, entry.other ? 2 : 1);
    const id = "name" in after ? after.name : after.id;
    if (entry.fate === "unreadable") return unreadable(revision, kind, id);
    const plain = feedEntry(revision, change(kind, after, entry.fate === "deleted" ? null : after));
    const item = entry.certificateOf === null ? null : host(entry.certificateOf);
    return entry.touchesHost ? withHosts(plain, { host: HOST, before: null, after: item }) : plain;
  });

describe("log entries", () => {
  it("give the same settings when applied to a snapshot or to its contents, page by page or at once", () =>
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), fc.nat(20), (makers, cut) => {
        const entries = makers.map((make, index) => make(START.revision + 1 + index));
        const [ofContents, ofSnapshot] = APPLIERS.map(({ apply }) => apply(START, entries));
        expect(ofSnapshot).toEqual(ofContents);
        const paged = contentsAfter(contentsAfter(START, entries.slice(0, cut)), entries.slice(cut));
        expect(shown(buildSnapshot(paged, NO_CONTENT))).toEqual(ofContents);
      }),
    ));
});
