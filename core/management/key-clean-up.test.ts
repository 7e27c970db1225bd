import { describe, expect, it } from "vitest";
import { BUILT_AT, certificateId, certificateRecord, trustStoreRecord } from "../../test/support/records.ts";
import { contents } from "../../test/support/settings-feed.ts";
import type { StoreContents, UnreadableItem } from "../store/store.ts";
import { cleanUpKeys } from "./key-clean-up.ts";
import {
  accountKeyName,
  materialName,
  privateKeyName,
  trustName,
  type VaultName,
} from "../store/key-vault.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const DAY_MS = 24 * 3600 * 1000;

/**
 * A vault with these objects and their ages, and settings that name version 2 of one certificate and one
 * trust store.
 */
function start(
  objects: Readonly<Record<VaultName, number>>,
  unreadable: readonly UnreadableItem[] = [],
  { revision = 5, meanwhile = () => undefined }: { revision?: number; meanwhile?: () => unknown } = {},
) {
  const left = new Map(Object.entries(objects) as [VaultName, number][]);
  const asked: string[] = [];
  const stored: StoreContents = {
    ...contents(revision, []),
    certificates: [certificateRecord({ material: { version: 2, sha256: "cd".repeat(32) } })],
    trustStores: [
      trustStoreRecord({
        contentSha256: "ef".repeat(32),
        previous: [{ revision: 1, contentSha256: "ab".repeat(32), replacedAt: BUILT_AT }],
      }),
    ],
    unreadable,
  };
  const run = () =>
    cleanUpKeys({
      nowMs: NOW,
      vault: {
        async *writtenBefore(epochMs: number) {
          asked.push("list");
          for (const [name, ageMs] of left) if (NOW - ageMs < epochMs) yield name;
        },
        delete: async (name, epochMs) => {
          const isOld = NOW - (left.get(name) ?? 0) < epochMs;
          return isOld && left.delete(name);
        },
      },
      contents: async () => {
        asked.push("contents");
        meanwhile();
        return stored;
      },
    });
  return {
    run,
    left: () => [...left.keys()],
    asked,
    stored,
    putAgain: (name: VaultName) => left.set(name, 0),
  };
}

const used = materialName(certificateId(1), 2);
const older = materialName(certificateId(1), 1);
const stray = materialName(certificateId(9), 1);
const trust = trustName("ef".repeat(32));
const restorable = trustName("ab".repeat(32));

describe("a clean-up of keys", () => {
  it("deletes what no record names, and nothing else", async () => {
    const vault = start({
      [used]: 9 * DAY_MS,
      [older]: 9 * DAY_MS,
      [stray]: 2 * DAY_MS,
      [trust]: 9 * DAY_MS,
      [restorable]: 9 * DAY_MS,
    });
    expect(await vault.run()).toEqual({ kind: "done", deleted: [older, stray] });
    expect(vault.left()).toEqual([used, trust, restorable]);
  });

  it("never deletes the key of an account at a CA, which no record names", async () => {
    const account = accountKeyName(`sha256//${Buffer.alloc(32, 7).toString("base64")}`);
    const pending = privateKeyName(certificateId(9), `sha256//${Buffer.alloc(32, 8).toString("base64")}`);
    const vault = start({ [account]: 900 * DAY_MS, [pending]: 2 * DAY_MS, [stray]: 2 * DAY_MS });
    expect(await vault.run()).toEqual({ kind: "done", deleted: [pending, stray] });
    expect(vault.left()).toEqual([account]);
  });

  it("leaves what is younger than a day: its write may not have committed yet", async () => {
    const vault = start({ [stray]: DAY_MS - 1, [older]: 0 });
    expect(await vault.run()).toEqual({ kind: "done", deleted: [] });
    expect(vault.left()).toHaveLength(2);
  });

  it("reads the records after the objects: what was named meanwhile is known", async () => {
    const vault = start({ [stray]: 2 * DAY_MS });
    await vault.run();
    expect(vault.asked).toEqual(["list", "contents"]);
  });

  it("leaves what is put again once the objects were listed: its write commits after the records were read", async () => {
    const vault = start({ [stray]: 2 * DAY_MS, [older]: 2 * DAY_MS }, [], {
      meanwhile: () => vault.putAgain(stray),
    });
    expect(await vault.run()).toEqual({ kind: "done", deleted: [older] });
    expect(vault.left()).toEqual([stray]);
  });

  it.each(["certificate", "trust-store", "log-entry"] as const)(
    "deletes nothing while a %s cannot be read: it may name any of them",
    async (kind) => {
      const vault = start({ [stray]: 2 * DAY_MS }, [{ kind, id: "x", problem: "not JSON" }]);
      expect(await vault.run()).toEqual({ kind: "kept", unreadable: 1 });
      expect(vault.left()).toEqual([stray]);
    },
  );

  it("deletes nothing while the store is empty: its settings were lost or replaced", async () => {
    const vault = start({ [stray]: 2 * DAY_MS }, [], { revision: 0 });
    expect(await vault.run()).toEqual({ kind: "kept", unreadable: 0 });
    expect(vault.left()).toEqual([stray]);
  });

  it("is not held up by a domain that cannot be read, which names no object", async () => {
    const vault = start({ [stray]: 2 * DAY_MS }, [{ kind: "domain", id: "a.example", problem: "not JSON" }]);
    expect(await vault.run()).toEqual({ kind: "done", deleted: [stray] });
  });
});
