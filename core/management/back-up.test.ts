import { describe, expect, it } from "vitest";
import { contents, domainAtLevel, levelEntry, ScriptedStore } from "../../test/support/settings-feed.ts";
import { BUILT_AT } from "../../test/support/records.ts";
import { Unavailable, Unreadable } from "../errors.ts";
import { backUp } from "./back-up.ts";
import type { SnapshotBackup } from "../store/snapshot-backup.ts";
import type { StoreContents } from "../store/store.ts";

const NOW = Date.parse("2026-11-24T12:05:00Z");
const at = "2026-11-24T12:05:00.000Z";
const everything = (revision: number): StoreContents =>
  contents(revision, [domainAtLevel("example.com", "accept", revision)]);

function start(held: StoreContents | Error | null) {
  const store = new ScriptedStore();
  const written: SnapshotBackup[] = [];
  const backups = {
    read: async () => {
      if (held instanceof Error) throw held;
      return held === null ? null : { at: BUILT_AT, contents: held };
    },
    write: async (backup: SnapshotBackup) => void written.push(backup),
  };
  return { store, written, run: () => backUp({ store, backups }, NOW) };
}

describe("a backup", () => {
  it.each([
    ["there is none yet", null],
    ["the last one is damaged", new Unreadable("damaged")],
  ])("reads everything when %s", async (_, held) => {
    const { store, written, run } = start(held);
    store.contents = everything(7);
    expect(await run()).toMatchObject({ read: "everything" });
    expect(written).toEqual([{ at, contents: everything(7) }]);
  });

  it("reads from the last one on, page by page, and writes nothing when nothing changed", async () => {
    const { store, written, run } = start(everything(3));
    store.log = Array.from({ length: 250 }, (_, n) => levelEntry(4 + n, "example.com", "require"));
    store.head = 253;
    expect(await run()).toMatchObject({ read: "changes" });
    expect(store.calls).not.toContain("all");
    expect(written[0]?.contents.revision).toBe(253);
    expect(written[0]?.contents.domains.map(({ tls }) => tls.server.level)).toEqual(["require"]);

    const still = start(everything(3));
    still.store.head = 3;
    expect(await still.run()).toEqual({ at: BUILT_AT, contents: everything(3), read: "changes" });
    expect(still.written).toEqual([]);
  });

  it("keeps what it held of an item that everything was read without", async () => {
    const item = { kind: "domain", id: "example.com", problem: "not JSON" } as const;
    const damaged = { ...contents(9, []), unreadable: [item] };
    const kept = { ...everything(3), revision: 9, unreadable: [item] };
    const { store, written, run } = start(everything(3));
    store.contents = damaged;
    store.head = 9;
    await run();
    expect(written).toEqual([{ at, contents: kept }]);
    // Read again, since what could not be read may be readable now, and still kept.
    const later = start(kept);
    later.store.contents = { ...damaged, revision: 12 };
    await later.run();
    expect(later.written).toEqual([{ at, contents: { ...kept, revision: 12 } }]);
    const gone = start(kept);
    gone.store.contents = contents(12, []);
    await gone.run();
    expect(gone.written).toEqual([{ at, contents: contents(12, []) }]);
    // A store of an earlier time: the backup is not what was in force before.
    const restored = start(everything(20));
    restored.store.contents = damaged;
    await restored.run();
    expect(restored.written).toEqual([{ at, contents: damaged }]);
  });

  it("is written when an item became unreadable or readable, and not while it stays so", async () => {
    const item = { kind: "domain", id: "b.example", problem: "not JSON" } as const;
    const [well, damaged] = [everything(3), { ...everything(3), unreadable: [item] }];
    const stays = start(damaged);
    stays.store.contents = { ...damaged, unreadable: [{ ...item, problem: "told otherwise" }] };
    await stays.run();
    expect(stays.written).toEqual([]);
    const repaired = start(damaged);
    repaired.store.contents = well;
    await repaired.run();
    expect(repaired.written).toEqual([{ at, contents: well }]);
  });

  it.each([
    ["the log has a gap", [levelEntry(6, "example.com", "none")], 6],
    ["the store was restored to an earlier moment", [], 2],
  ])("reads everything when %s", async (_, log, head) => {
    const { store, written, run } = start(everything(4));
    store.log = log;
    store.head = head;
    store.contents = everything(head);
    expect(await run()).toMatchObject({ read: "everything" });
    expect(written[0]?.contents.revision).toBe(head);
  });

  it("reads everything while something in it cannot be read: this release may", async () => {
    const item = { kind: "domain", id: "a.example", problem: "not JSON" } as const;
    const { store, run } = start({ ...everything(3), unreadable: [item] });
    store.contents = everything(3);
    store.head = 3;
    expect(await run()).toMatchObject({ read: "everything", contents: { unreadable: [] } });
  });

  it("of an empty store never takes the place of one with settings", async () => {
    const { store, written, run } = start(everything(4));
    store.contents = contents(0, []);
    store.head = 0;
    await expect(run()).rejects.toThrow("the settings store is empty, and its backup is of revision 4");
    expect(written).toEqual([]);
  });

  it.each([
    ["the store", null],
    ["the place of backups", new Unavailable("no answer")],
  ])("is not written when %s does not answer", async (_, held) => {
    const { store, written, run } = start(held);
    store.contents = new Unavailable("no answer");
    await expect(run()).rejects.toBeInstanceOf(Unavailable);
    expect(written).toEqual([]);
  });
});
