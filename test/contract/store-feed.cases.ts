import { expect, it } from "vitest";
import { certificateId, certificateRecord, name } from "../support/records.ts";
import {
  readableEntries,
  sorted,
  replay,
  type StoreUnderTest,
  wholeLog,
  Writer,
} from "./store-under-test.ts";

const X = certificateId(1);

export function feedCases(subject: () => StoreUnderTest): void {
  it("gives entries in order, at most as many as asked for, with the head", async () => {
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

  it("says who changed what, from what, to what, and which hosts with it", async () => {
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

  it("begins with the first entry; before any, with the next", async () => {
    const { store, other } = subject();
    expect(await other.oldestRevision()).toBe(1);
    await new Writer(store).putDomain({ name: "a.example" });
    await new Writer(store).putDomain({ name: "b.example" });
    expect(await other.oldestRevision()).toBe(1);
  });

  it("leads from nothing to what a full load gives", async () => {
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
}
