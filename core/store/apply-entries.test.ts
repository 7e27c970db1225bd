import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import {
  BUILT_AT,
  certificateId,
  certificateRecord,
  domainRecord,
  name,
} from "../../test/support/records.ts";
import { contents, levelEntry } from "../../test/support/settings-feed.ts";
import { contentsAfter, FeedGap } from "./apply-entries.ts";
import type { Commit, RecordChange, StoreContents } from "./store.ts";

const sorted = (found: StoreContents): StoreContents => ({
  ...found,
  domains: found.domains.toSorted((a, b) => a.name.localeCompare(b.name)),
  certificates: found.certificates.toSorted((a, b) => a.id.localeCompare(b.id)),
  mxHosts: found.mxHosts.toSorted((a, b) => a.host.localeCompare(b.host)),
});

/** Creates, changes or deletes one of a few records, whatever is there. */
async function write(
  store: SqliteStore,
  step: { readonly which: number; readonly deletes: boolean },
): Promise<void> {
  const domain = domainRecord({ name: `d${step.which}.example` });
  const certificate = certificateRecord({ id: certificateId(step.which) });
  const before =
    step.which % 2 === 0 ? await store.getDomain(domain.name) : await store.getCertificate(certificate.id);
  if (before === null && step.deletes) return;
  const record = (
    step.which % 2 === 0
      ? { kind: "domain", id: domain.name, before, after: step.deletes ? null : domain }
      : { kind: "certificate", id: certificate.id, before, after: step.deletes ? null : certificate }
  ) as RecordChange;
  const commit: Commit = {
    record,
    hosts: [],
    uses: [],
    account: "default",
    actor: "test",
    at: BUILT_AT,
    expectedHead: await store.head(),
  };
  await store.commit(commit);
}

describe("contents after log entries", () => {
  it("are what a full load finds, whatever was written", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ which: fc.nat(5), deletes: fc.boolean() }), { maxLength: 20 }),
        fc.nat(20),
        async (steps, backupAt) => {
          const database = openDatabase(":memory:");
          const store = new SqliteStore(database);
          for (const step of steps.slice(0, backupAt)) await write(store, step);
          const early = await store.loadAll();
          for (const step of steps.slice(backupAt)) await write(store, step);
          const { entries } = await store.changesAfter(early.revision, 1000);
          const now = await store.loadAll();
          database.close();
          expect(sorted(contentsAfter(early, entries))).toEqual(sorted(now));
        },
      ),
      { numRuns: 30 },
    ));

  const start = contents(3, [domainRecord({ name: "a.example", revision: 3 })]);

  it("are refused after a gap, and entries not newer are skipped", () => {
    expect(() => contentsAfter(start, [levelEntry(5, "a.example", "none")])).toThrow(FeedGap);
    expect(contentsAfter(start, [levelEntry(3, "a.example", "none")])).toEqual(start);
  });

  it("have the hosts as the last entry left them", () => {
    const host = { host: name("mx.a.example"), account: "default", certificateId: null, domainCount: 1 };
    const claim = levelEntry(4, "a.example", "accept");
    const release = levelEntry(5, "a.example", "accept");
    if (claim.kind !== "entry" || release.kind !== "entry") throw new TypeError("entries can be read");
    const claimed = contentsAfter(start, [
      { ...claim, entry: { ...claim.entry, hosts: [{ host: host.host, before: null, after: host }] } },
    ]);
    expect(claimed.mxHosts).toEqual([host]);
    const released = contentsAfter(claimed, [
      { ...release, entry: { ...release.entry, hosts: [{ host: host.host, before: host, after: null }] } },
    ]);
    expect(released.mxHosts).toEqual([]);
  });

  it("keep the version before of what cannot be read, and say so until it can", () => {
    const item = { kind: "domain", id: "a.example", problem: "not JSON" } as const;
    const unreadable = contentsAfter(start, [{ kind: "unreadable", revision: 4, item, account: null }]);
    expect(unreadable).toEqual({ ...start, revision: 4, unreadable: [item] });
    const mended = contentsAfter(unreadable, [levelEntry(5, "a.example", "require")]);
    expect(mended.unreadable).toEqual([]);
    expect(mended.domains.map(({ tls }) => tls.server.level)).toEqual(["require"]);
  });
});
