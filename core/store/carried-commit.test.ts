import { describe, expect, it } from "vitest";
import {
  certificateId,
  certificateRecord,
  type DomainParts,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import { commitOf } from "../../test/contract/store-under-test.ts";
import { alongWith, carriedOver, isTouchedBy } from "./carried-commit.ts";
import type { MxHost, MxHostChange } from "../record/mx-host.ts";
import { logEntryOf } from "./log-entry.ts";
import type { Commit, FeedEntry, LogEntry, RecordChange } from "./store.ts";
import { actionOf } from "./log-entry.ts";

const [X, Y, Z] = [certificateId(1), certificateId(2), certificateId(3)];
const [S, T] = [trustStoreId(1), trustStoreId(2)];

/** A change of a domain from and to these hosts and trust stores. */
const domain = (id: string, before: DomainParts | null, after: DomainParts | null): RecordChange => ({
  kind: "domain",
  id: name(id),
  before: before && domainRecord({ ...before, name: id }),
  after: after && domainRecord({ ...after, name: id }),
});
const certificate = (id: typeof X): RecordChange => ({
  kind: "certificate",
  id,
  before: null,
  after: certificateRecord({ id }),
});
const trustStore = (id: typeof S): RecordChange => ({
  kind: "trust-store",
  id,
  before: null,
  after: trustStoreRecord({ id }),
});
const onHost = (host: string, before: typeof X | null, after: typeof X | null): MxHostChange => ({
  host: name(host),
  before: { host: name(host), account: "default", certificateId: before, domainCount: 1 },
  after: { host: name(host), account: "default", certificateId: after, domainCount: 2 },
});
type Planned = Pick<Commit, "record" | "uses">;
type Written = Pick<LogEntry, "record" | "hosts">;

/** Names host old, then new; uses certificate X and trust store S. */
const planned: Planned = {
  record: domain("a.example", { mxHosts: ["old.example"] }, { mxHosts: ["new.example"] }),
  uses: [
    { kind: "certificate", id: X, delta: 0 },
    { kind: "trust-store", id: S, delta: 1 },
  ],
};
const elsewhere = domain("b.example", null, { mxHosts: ["mx.example"] });
const material: Planned = { record: certificate(X), uses: [] };
/** Deletes X, whose hosts take Y; one of them is mx.example. */
const replacement: Planned = {
  record: { kind: "certificate", id: X, before: certificateRecord({ id: X }), after: null },
  uses: [
    { kind: "certificate", id: Y, delta: 1 },
    { kind: "certificate", id: X, delta: -1 },
  ],
};
/** Writes Y, which takes a part of the hosts of X. */
const partly: Planned = { ...replacement, record: certificate(Y) };
const content: Planned = { record: trustStore(S), uses: [] };
const trusting = (ids: readonly (typeof S)[]): DomainParts => ({ trustStoreIds: ids });

const cases: readonly (readonly [string, Planned, Written, boolean])[] = [
  ["a domain by its own record", planned, { record: domain("a.example", null, {}), hosts: [] }, true],
  ["a domain by another domain", planned, { record: elsewhere, hosts: [] }, false],
  [
    "a domain by another host's claim",
    planned,
    { record: elsewhere, hosts: [onHost("mx.example", null, X)] },
    false,
  ],
  [
    "a domain by the claim of a host it names",
    planned,
    { record: elsewhere, hosts: [onHost("new.example", null, X)] },
    true,
  ],
  [
    "a domain by the claim of a host it named",
    planned,
    { record: elsewhere, hosts: [onHost("old.example", null, X)] },
    true,
  ],
  [
    "a domain by one that names its host without a claim",
    planned,
    { record: domain("b.example", null, { mxHosts: ["new.example"] }), hosts: [] },
    true,
  ],
  [
    "a domain by one that named its host",
    planned,
    { record: domain("b.example", { mxHosts: ["new.example"] }, null), hosts: [] },
    true,
  ],
  ["a domain by its certificate", planned, { record: certificate(X), hosts: [] }, true],
  ["a domain by another certificate", planned, { record: certificate(Y), hosts: [] }, false],
  ["a domain by its trust store", planned, { record: trustStore(S), hosts: [] }, true],
  ["a domain by another trust store", planned, { record: trustStore(T), hosts: [] }, false],
  ["a certificate by its own record", material, { record: certificate(X), hosts: [] }, true],
  ["a certificate by another", material, { record: certificate(Y), hosts: [] }, false],
  [
    "a certificate by a host that takes it",
    material,
    { record: elsewhere, hosts: [onHost("mx.example", null, X)] },
    true,
  ],
  [
    "a certificate by a host that gives it up",
    material,
    { record: elsewhere, hosts: [onHost("mx.example", X, null)] },
    true,
  ],
  [
    "a certificate by a host of another",
    material,
    { record: elsewhere, hosts: [onHost("mx.example", Y, null)] },
    false,
  ],
  [
    "a replacement by the certificate that takes over",
    replacement,
    { record: certificate(Y), hosts: [] },
    true,
  ],
  ["a replacement by a third certificate", replacement, { record: certificate(Z), hosts: [] }, false],
  [
    "a replacement by a host that takes the deleted one",
    replacement,
    { record: elsewhere, hosts: [onHost("new.example", null, X)] },
    true,
  ],
  [
    "a replacement by a domain more on one of its hosts",
    replacement,
    { record: elsewhere, hosts: [onHost("mx.example", X, X)] },
    true,
  ],
  [
    "a part of a replacement by a host that gives the deleted one up",
    partly,
    { record: elsewhere, hosts: [onHost("mx.example", X, null)] },
    true,
  ],
  ["a part of a replacement by the deleted one", partly, { record: certificate(X), hosts: [] }, true],
  ["a trust store by its own record", content, { record: trustStore(S), hosts: [] }, true],
  // A domain may name both, and is judged by both.
  ["a trust store by another", content, { record: trustStore(T), hosts: [] }, true],
  [
    "a trust store by a domain that names it",
    content,
    { record: domain("b.example", null, trusting([S])), hosts: [] },
    true,
  ],
  [
    "a trust store by a domain that named it",
    content,
    { record: domain("b.example", trusting([S]), trusting([])), hosts: [] },
    true,
  ],
  [
    "a trust store by a domain of another",
    content,
    { record: domain("b.example", null, trusting([T])), hosts: [] },
    false,
  ],
  ["a trust store by a certificate", content, { record: certificate(X), hosts: [] }, false],
];

describe("a planned write is touched", () => {
  it.each(cases)("%s", (_, { record, uses }, written, touched) => {
    const commit = commitOf(record, { uses });
    expect(isTouchedBy(commit, { action: actionOf(written), ...written })).toBe(touched);
    const replaced = { revision: 1, isOwn: true, problem: "not JSON", mxHosts: [], trustStoreIds: [] };
    expect(isTouchedBy({ ...commit, replaced }, { action: actionOf(written), ...written })).toBe(true);
  });

  it.each(["update", "delete"] as const)("any, by an %s of a record that could not be read", (action) => {
    const commit = commitOf(planned.record, { uses: planned.uses });
    expect(isTouchedBy(commit, { action, record: elsewhere, hosts: [] })).toBe(true);
  });
});

describe("a planned write whose MX host another has changed", () => {
  const host = name("mx.example");
  const item = (domainCount: number, parts: Partial<MxHost> = {}): MxHost => ({
    host,
    account: "default",
    certificateId: null,
    domainCount,
    ...parts,
  });
  const change = (before: MxHost | null, after: MxHost | null): MxHostChange => ({ host, before, after });
  const withX = { certificateId: X, certificateRevision: 3 };
  const ofOther = { account: "other" };
  const both: DomainParts = { mxHosts: ["mx.example"] };
  const carriedPast = (planOf: Partial<Commit>, hosts: readonly MxHostChange[]): Commit | null => {
    const plan = commitOf(domain("a.example", null, both), { expectedHead: 7, ...planOf });
    const entry = logEntryOf(commitOf(domain("b.example", null, both), { expectedHead: 7, hosts }));
    return carriedOver(plan, { entries: [{ kind: "entry", entry }], head: 8 });
  };

  it.each<[string, MxHostChange, MxHostChange | null, MxHostChange | null]>([
    [
      "is the second where both claim it",
      change(null, item(1)),
      change(null, item(1)),
      change(item(1), item(2)),
    ],
    [
      "is planned again behind another account's claim",
      change(null, item(1)),
      change(null, item(1, ofOther)),
      null,
    ],
    [
      "is planned again where it claims with a certificate",
      change(null, item(1, withX)),
      change(null, item(1)),
      null,
    ],
    [
      "is planned again where the other claims with one",
      change(null, item(1)),
      change(null, item(1, withX)),
      null,
    ],
    ["is planned again where it claims for others too", change(null, item(2)), change(null, item(1)), null],
    ["is planned again behind one that names it unclaimed", change(null, item(2)), null, null],
    ["is recounted", change(item(4), item(5)), change(item(4), item(5)), change(item(5), item(6))],
    [
      "is recounted behind one that leaves",
      change(item(4), item(5)),
      change(item(4), item(3)),
      change(item(3), item(4)),
    ],
    [
      "is recounted where it leaves",
      change(item(4), item(3)),
      change(item(4), item(5)),
      change(item(5), item(4)),
    ],
    [
      "is recounted where it was read a write later than its head",
      change(item(5), item(6)),
      change(item(4), item(5)),
      change(item(5), item(6)),
    ],
    [
      "is recounted where the host has a certificate, whose revision the store sets",
      change(item(4, withX), item(5, { certificateId: X })),
      change(item(4, withX), item(5, withX)),
      change(item(5, withX), item(6, { certificateId: X })),
    ],
    ["is planned again where it would be the last", change(item(2), item(1)), change(item(2), item(1)), null],
    ["is planned again where it was the last", change(item(1), null), change(item(1), item(2)), null],
    ["is planned again behind the last", change(item(1), item(2)), change(item(1), null), null],
    [
      "is planned again where it sets a certificate",
      change(item(4), item(4, { certificateId: X })),
      change(item(4), item(5)),
      null,
    ],
    [
      "is planned again behind one that sets a certificate",
      change(item(4), item(5)),
      change(item(4), item(5, withX)),
      null,
    ],
    [
      "is the same behind one that names it and counts no more",
      change(item(4), item(5)),
      null,
      change(item(4), item(5)),
    ],
  ])("%s", (_, plan, stored, expected) => {
    const carried = carriedPast({ hosts: [plan] }, stored === null ? [] : [stored]);
    expect(carried?.hosts ?? null).toEqual(expected && [expected]);
  });

  it("rests on the item as the other has left it", () => {
    const hostsRead = [{ host, item: item(4) }];
    const carried = carriedPast({ hostsRead }, [change(item(4), item(5))]);
    expect(carried).toMatchObject({ expectedHead: 8, hostsRead: [{ host, item: item(5) }] });
    expect(carriedPast({ hostsRead }, [change(item(4), item(5, withX))])).toBeNull();
    expect(carriedPast({ hostsRead: [{ host, item: null }] }, [change(null, item(1))])).toBeNull();
  });

  it("is planned again where it did not read the item: another account's, which is damaged", () => {
    expect(carriedPast({}, [change(item(4, ofOther), item(5, ofOther))])).toBeNull();
    expect(carriedPast({}, [])).toBeNull();
  });
});

describe("writes that are stored along with another", () => {
  const at = "2026-11-28T12:00:00.000Z";
  const write = (id: string, parts: Partial<Commit> = {}): Commit =>
    commitOf(domain(id, null, { mxHosts: [`mx.${id}`] }), { at, ...parts });
  const own = write("a.example", { expectedHead: 7 });
  const entryAt = (revision: number, id: string): FeedEntry => ({
    kind: "entry",
    entry: logEntryOf(write(id, { expectedHead: revision - 1 })),
  });
  const unreadableAt = (revision: number): FeedEntry => ({
    kind: "unreadable",
    revision,
    account: null,
    item: { kind: "log-entry", id: String(revision), problem: "" },
  });
  const later = write("b.example", { expectedHead: 7, at: "2026-11-28T12:00:11.000Z" });
  const [b, c] = [write("b.example", { expectedHead: 7 }), write("c.example", { expectedHead: 5 })];

  it.each<[string, [number, Commit][], FeedEntry[], readonly number[], readonly number[]]>([
    [
      "all that hold, in order",
      [
        [4, b],
        [5, c],
      ],
      [entryAt(6, "x.example"), entryAt(7, "y.example")],
      [],
      [4, 5],
    ],
    ["none behind a writer without an offer", [[5, b]], [], [], []],
    ["those behind a writer that has left", [[5, b]], [], [4], [5]],
    [
      "none from the first that the commit itself has changed",
      [
        [4, write("a.example", { expectedHead: 7 })],
        [5, b],
      ],
      [],
      [],
      [],
    ],
    [
      "none from the first that one before it has changed",
      [
        [4, b],
        [5, b],
      ],
      [],
      [],
      [4],
    ],
    [
      "none from the first that was changed since it was built",
      [
        [4, c],
        [5, b],
      ],
      [entryAt(6, "c.example"), entryAt(7, "y.example")],
      [],
      [],
    ],
    [
      "none from the first that is behind an entry that cannot be read",
      [
        [4, b],
        [5, c],
      ],
      [unreadableAt(6), entryAt(7, "y.example")],
      [],
      [4],
    ],
    [
      "none from the first that is behind entries that are missing",
      [
        [4, b],
        [5, c],
      ],
      [entryAt(7, "y.example")],
      [],
      [4],
    ],
    [
      "those behind one whose time is over",
      [
        [4, later],
        [5, write("c.example", { expectedHead: 7 })],
      ],
      [],
      [],
      [5],
    ],
  ])("are %s", (_, offered, entries, left, expected) => {
    const offers = offered.map(([ticket, commit]) => ({ ticket, commit }));
    const along = alongWith(own, { offers, left: new Set(left), ticket: 3 }, { entries, head: 7 });
    expect(along.map(({ ticket }) => ticket)).toEqual(expected);
    expect(along.map(({ commit }) => commit.expectedHead)).toEqual(expected.map((__, index) => 8 + index));
  });
});
