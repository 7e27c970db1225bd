import { describe, expect, it } from "vitest";
import { BUILT_AT, domainRecord } from "../../test/support/records.ts";
import { countAfter, idsWithLog } from "./quota.ts";
import type { FeedEntry, LogEntry } from "./store.ts";

const OF = { kind: "domain", account: "tenant" } as const;

function entry(revision: number, action: LogEntry["action"], id: string, account = "tenant"): FeedEntry {
  const record = domainRecord({ name: id, account });
  return {
    kind: "entry",
    entry: {
      revision,
      at: BUILT_AT,
      account,
      actor: "tester",
      action,
      record: {
        kind: "domain",
        id: record.name,
        before: action === "create" ? null : record,
        after: action === "delete" ? null : record,
      },
      hosts: [],
    },
  };
}

const unreadable = (revision: number): FeedEntry => ({
  kind: "unreadable",
  revision,
  item: { kind: "log-entry", id: String(revision), problem: "" },
  account: null,
});

describe("a count that follows the log", () => {
  const known = { count: 4, revision: 10 };

  it("adds what was created and takes away what was deleted, of the account alone", () => {
    const entries = [
      entry(11, "create", "a.example"),
      entry(12, "update", "b.example"),
      entry(13, "delete", "c.example"),
      entry(14, "create", "d.example", "other"),
      entry(15, "create", "e.example"),
    ];
    expect(countAfter(known, entries, OF)).toBe(5);
    expect(countAfter(known, entries, { ...OF, kind: "certificate" })).toBe(4);
  });

  it("is not known where an entry is missing or cannot be read", () => {
    expect(countAfter(known, [entry(12, "create", "a.example")], OF)).toBeNull();
    expect(countAfter(known, [unreadable(11)], OF)).toBeNull();
  });
});

describe("ids of an index that lags", () => {
  it("are as the newest entries of the log leave them, in any order", () => {
    const entries = [
      entry(7, "create", "gone.example"),
      entry(9, "delete", "listed.example"),
      entry(8, "delete", "gone.example"),
      entry(5, "create", "new.example"),
      entry(6, "create", "other.example", "other"),
      unreadable(4),
    ];
    const listed = new Set(["listed.example", "old.example", "gone.example"]);
    expect([...idsWithLog(listed, entries, OF)].toSorted()).toEqual(["new.example", "old.example"]);
  });
});
