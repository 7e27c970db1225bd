import fc from "fast-check";
import { expect, it } from "vitest";
import { applyEntries, buildSnapshot } from "../../core/snapshot/snapshot.ts";
import { contentsAfter } from "../../core/store/log-applier.ts";
import type { FeedEntry } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";
import { shown } from "../support/settings-feed.ts";
import {
  readableEntries,
  sorted,
  replay,
  type StoreUnderTest,
  wholeLog,
  Writer,
} from "./store-under-test.ts";

const [X, Y, Z] = [certificateId(1), certificateId(2), certificateId(3)];

export function feedCases(subject: () => StoreUnderTest): void {
  it("gives entries in order, at most as many as requested, with the head", async () => {
    const { store, other } = subject();
    const writer = new Writer(store);
    for (const n of [1, 2, 3, 4, 5]) await writer.putDomain({ name: `d${n}.example` });
    const revisions = async (after: number, limit: number) => {
      const feed = await other.changesAfter(after, limit);
      return [feed.head, readableEntries(feed.entries).map((entry) => entry.revision)];
    };
    expect(await revisions(0, 10)).toEqual([5, [1, 2, 3, 4, 5]]);
    expect(await revisions(0, 2)).toEqual([5, [1, 2]]);
    expect(await revisions(2, 2)).toEqual([5, [3, 4]]);
    expect(await revisions(4, 2)).toEqual([5, [5]]);
    expect(await revisions(5, 2)).toEqual([5, []]);
    expect(await revisions(9, 2)).toEqual([5, []]);
  });

  it("gives the newest entries before a revision, newest first, with the head", async () => {
    const { store, other } = subject();
    const revisions = async (before: number, limit: number) => {
      const feed = await other.changesBefore(before, limit);
      return [feed.head, readableEntries(feed.entries).map((entry) => entry.revision)];
    };
    expect(await revisions(1, 10)).toEqual([0, []]);
    const writer = new Writer(store);
    for (const n of [1, 2, 3, 4, 5]) await writer.putDomain({ name: `d${n}.example` });
    expect(await revisions(6, 10)).toEqual([5, [5, 4, 3, 2, 1]]);
    expect(await revisions(900, 2)).toEqual([5, [5, 4]]);
    expect(await revisions(4, 2)).toEqual([5, [3, 2]]);
    expect(await revisions(2, 2)).toEqual([5, [1]]);
    expect(await revisions(1, 2)).toEqual([5, []]);
  });

  it("records the actor, the record before and after, and the changed hosts", async () => {
    const { store } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"] });
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"], server: { certificateId: X } });
    await writer.deleteDomain(name("a.example"));
    const [, create, update, remove] = await wholeLog(store);
    const host = { host: "mx.example", account: "default", domainCount: 1 };
    const [plain, serving] = [
      { ...host, certificateId: null },
      { ...host, certificateId: X, certificateRevision: 3 },
    ];
    const about = { account: "default", actor: "test", record: { kind: "domain", id: "a.example" } };
    expect(create).toMatchObject({
      ...about,
      action: "create",
      record: { before: null, after: { revision: 2 } },
    });
    expect(create?.hosts).toEqual([{ host: "mx.example", before: null, after: plain }]);
    expect(update).toMatchObject({
      ...about,
      action: "update",
      record: { before: create?.record.after, after: { revision: 3 } },
    });
    expect(update?.hosts).toEqual([{ host: "mx.example", before: plain, after: serving }]);
    expect(remove).toMatchObject({
      ...about,
      action: "delete",
      record: { before: update?.record.after, after: null },
    });
    expect(remove?.hosts).toEqual([{ host: "mx.example", before: serving, after: null }]);
  });

  it("begins with the first entry; in an empty log, with the next", async () => {
    const { store, other } = subject();
    expect(await other.oldestRevision()).toBe(1);
    await new Writer(store).putDomain({ name: "a.example" });
    await new Writer(store).putDomain({ name: "b.example" });
    expect(await other.oldestRevision()).toBe(1);
  });

  it("leads from an empty store to the contents of a full load", async () => {
    const { store, other } = subject();
    const writer = new Writer(store);
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"], server: { certificateId: X } });
    await writer.putDomain({
      name: "b.example",
      mxHosts: ["mx.example", "mx2.example"],
      server: { certificateId: X },
    });
    await writer.deleteDomain(name("a.example"));
    await writer.putDomain({ name: "c.example", mxHosts: ["mx3.example"] });
    const contents = sorted(await other.loadAll());
    expect(contents.revision).toBe(5);
    expect(contents).toEqual(replay(await wholeLog(store), 5));
  });

  it("leads from one full load to the next, of contents as of a snapshot, in pages of any size", {
    timeout: 60_000,
  }, async () => {
    const { store, other, spoil } = subject();
    const writer = new Writer(store);
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    await writer.putTrustStore(trustStoreRecord({ id: trustStoreId(1) }));
    const [before, after] = [fc.sample(ANY_WRITE, 15), fc.sample(ANY_WRITE, 25)];
    for (const write of before) await write(writer);
    await writer.putDomain({ name: "spoiled.example", mxHosts: [SPOILED], server: { certificateId: X } });
    await spoil("mx-host", SPOILED);
    await spoil("trust-store", trustStoreId(1));
    const early = await other.loadAll();
    for (const write of after) await write(writer);
    // Replaces the host that cannot be read.
    await writer.putDomain({ name: "spoiled.example", mxHosts: [SPOILED], server: { certificateId: Y } });
    const feed: FeedEntry[] = [];
    for (let { revision } = early; ; revision = early.revision + feed.length) {
      const { entries } = await other.changesAfter(revision, 100);
      if (entries.length === 0) break;
      feed.push(...entries);
    }
    const late = await other.loadAll();
    expect(late.unreadable.map(({ kind }) => kind)).toEqual(["trust-store"]);
    for (const size of [1, 3, feed.length]) {
      const pages = feed.map((_, index) => feed.slice(index * size, (index + 1) * size));
      expect(sorted(pages.reduce(contentsAfter, early))).toEqual(sorted(late));
      const followed = pages.reduce(
        (snapshot, page) => applyEntries(snapshot, page, NO_CONTENTS),
        buildSnapshot(early, NO_CONTENTS),
      );
      expect(shown(followed)).toEqual(shown(buildSnapshot(late, NO_CONTENTS)));
    }
  });
}

const NO_CONTENTS = new Map<string, never>();
const SPOILED = "mx.spoiled.example";

/** A write of one of a few records, which may or may not exist. */
const ANY_WRITE = fc
  .record({
    which: fc.constantFrom("domain", "domain", "domain", "certificate", "trust-store"),
    name: fc.constantFrom("a.example", "b.example", "c.example"),
    mxHosts: fc.uniqueArray(fc.constantFrom("mx1.example", "mx2.example", SPOILED), { maxLength: 2 }),
    certificateId: fc.constantFrom(null, X, Y),
    deletes: fc.boolean(),
  })
  .map(({ which, name: id, mxHosts, certificateId: served, deletes }) => async (writer: Writer) => {
    if (which === "certificate") return writer.putCertificate(certificateRecord({ id: served ?? Z }));
    if (which === "trust-store") return writeTrustStore(writer, deletes);
    if (!deletes) return writer.putDomain({ name: id, mxHosts, server: { certificateId: served } });
    return (await writer.store.getDomain(name(id))) === null ? null : writer.deleteDomain(name(id));
  });

async function writeTrustStore(writer: Writer, deletes: boolean): Promise<unknown> {
  const id = trustStoreId(2);
  if (!deletes) return writer.putTrustStore(trustStoreRecord({ id }));
  return (await writer.store.getTrustStore(id)) === null ? null : writer.deleteTrustStore(id);
}
