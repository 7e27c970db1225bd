import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import { materialName, trustName, type VaultName } from "../core/store/key-vault.ts";
import { Unavailable } from "../core/errors.ts";
import { certificateId, certificateRecord, name, trustStoreRecord } from "../test/support/records.ts";
import { contents, ScriptedStore } from "../test/support/settings-feed.ts";
import { UNUSED_OWNERSHIP } from "../test/support/unused-ownership.ts";
import { type LocalSchedule, startSchedule } from "./schedule.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const STORED = trustStoreRecord({ contentSha256: "ef".repeat(32) });

let root = "";
let schedule: LocalSchedule | null = null;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-schedule-"));
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(async () => {
  await schedule?.stop();
  vi.useRealTimers();
  rmSync(root, { recursive: true });
});

/**
 * A vault of files and settings that name version 2 of a certificate and one trust store; the clock is the
 * test's.
 */
function start() {
  const store = new ScriptedStore();
  const certificate = certificateRecord({ material: { version: 2, sha256: "cd".repeat(32) } });
  const { id } = certificate;
  const host = { host: name("mx.example"), account: "default", certificateId: id, domainCount: 1 };
  store.contents = {
    ...contents(4, []),
    certificates: [certificate],
    trustStores: [STORED],
    mxHosts: [host],
  };
  const lines: Readonly<Record<string, unknown>>[] = [];
  const vault = new FileKeyVault(root);
  const clock = { nowMs: Date.now() };
  const begin = (): LocalSchedule => {
    schedule = startSchedule({
      store,
      vault,
      issuance: { advance: async () => "unchanged" },
      ownership: UNUSED_OWNERSHIP,
      abort: () => undefined,
      clock: { now: () => clock.nowMs },
      log: (event, fields) => lines.push({ event, ...fields }),
    });
    return schedule;
  };
  const logged = (event: string, times = 1) =>
    vi.waitFor(() => {
      const found = lines.filter((line) => line["event"] === event);
      expect(found.length).toBeGreaterThanOrEqual(times);
      return found[times - 1];
    }, 60_000);
  const put = async (object: VaultName, ageMs: number): Promise<void> => {
    await vault.put(object, Buffer.from(object));
    const at = new Date(clock.nowMs - ageMs);
    utimesSync(join(root, object), at, at);
  };
  return { store, vault, clock, lines, begin, logged, put };
}

const isThere = (object: VaultName): boolean => existsSync(join(root, object));
const used = materialName(certificateId(1), 2);
const older = materialName(certificateId(1), 1);
const deleted = materialName(certificateId(9), 1);
const trust = trustName(STORED.contentSha256);
const strayTrust = trustName("ab".repeat(32));

describe("the schedule of one machine", () => {
  it("deletes keys of deleted certificates after a day, and nothing that is named or young", async () => {
    const { begin, logged, put, clock } = start();
    for (const each of [used, older, deleted, trust, strayTrust]) await put(each, 2 * DAY_MS);
    const young = materialName(certificateId(8), 1);
    await put(young, DAY_MS - 60_000);
    begin();
    expect(await logged("clean-up-swept")).toMatchObject({ deleted: 3 });
    expect([used, older, deleted, trust, strayTrust, young].filter(isThere)).toEqual([used, trust, young]);
    clock.nowMs += DAY_MS;
    vi.advanceTimersByTime(DAY_MS);
    expect(await logged("clean-up-swept", 2)).toMatchObject({ deleted: 1, names: [young] });
    expect(isThere(young)).toBe(false);
  });

  it("removes parts of keys that a killed process left, once they are a day old", async () => {
    const { begin, logged, put, clock } = start();
    await put(used, 2 * DAY_MS);
    const [leftOver, fresh] = ["a", "b"].map((each) => join(root, used, `../.${each.repeat(24)}.tmp`));
    for (const path of [leftOver, fresh]) writeFileSync(path ?? "", "-----BEGIN PRIVATE KEY-----");
    const at = new Date(clock.nowMs - 2 * DAY_MS);
    utimesSync(leftOver ?? "", at, at);
    const running = begin();
    await logged("clean-up-swept");
    await running.stop();
    expect([leftOver, fresh].map((path) => existsSync(path ?? ""))).toEqual([false, true]);
  });

  it("keeps an object that is written again, however old it was: it is about to be named", async () => {
    const { begin, logged, put, vault } = start();
    await put(strayTrust, 2 * DAY_MS);
    await vault.put(strayTrust, Buffer.from(strayTrust));
    begin();
    expect(await logged("clean-up-swept")).toMatchObject({ deleted: 0 });
    expect(isThere(strayTrust)).toBe(true);
  });

  it("keeps every key while a record cannot be read, and says so", async () => {
    const { begin, logged, put, store } = start();
    await put(deleted, 2 * DAY_MS);
    const item = { kind: "certificate", id: "x", problem: "not JSON" } as const;
    store.contents = { ...contents(4, []), unreadable: [item] };
    begin();
    expect(await logged("clean-up-skipped")).toMatchObject({ unreadable: 1 });
    expect(isThere(deleted)).toBe(true);
  });

  it("says every hour how long certificates in use will do", async () => {
    const { begin, logged, clock } = start();
    clock.nowMs = Date.parse("2035-12-22T00:00:00Z");
    begin();
    expect(await logged("expiry-swept")).toMatchObject({ soonestDays: 10 });
    expect(await logged("certificate-expiring")).toMatchObject({ id: certificateId(1), daysLeft: 10 });
    clock.nowMs += DAY_MS;
    vi.advanceTimersByTime(HOUR_MS);
    expect(await logged("expiry-swept", 2)).toMatchObject({ soonestDays: 9 });
  });

  it("logs a sweep that fails, goes on with the others, and runs it again at its next time", async () => {
    const { begin, logged, put, store } = start();
    await put(deleted, 2 * DAY_MS);
    const readable = store.contents;
    store.contents = new Unavailable("the store does not answer");
    begin();
    expect(await logged("sweep-failed")).toMatchObject({ sweep: "issuance" });
    expect(await logged("sweep-failed", 2)).toMatchObject({ sweep: "ownership" });
    expect(await logged("sweep-failed", 3)).toMatchObject({ sweep: "expiry" });
    expect(await logged("sweep-failed", 4)).toMatchObject({ sweep: "clean-up" });
    store.contents = readable;
    vi.advanceTimersByTime(DAY_MS);
    await logged("clean-up-swept");
    expect(isThere(deleted)).toBe(false);
  });

  it("stops: the sweep that runs ends first, and no other begins", async () => {
    const { begin, lines, put } = start();
    await put(deleted, 2 * DAY_MS);
    const running = begin();
    await running.stop();
    const before = lines.length;
    vi.advanceTimersByTime(2 * DAY_MS);
    await running.stop();
    expect(lines).toHaveLength(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("runs a sweep that is asked for many times once more, not once for each", async () => {
    const { begin, lines, logged } = start();
    const running = begin();
    for (let call = 0; call < 200; call += 1) running.runSoon("issuance");
    await logged("clean-up-swept");
    running.runSoon("issuance");
    await logged("issuance-swept", 2);
    await running.stop();
    expect(lines.filter((line) => line["event"] === "issuance-swept").length).toBeLessThanOrEqual(3);
  });

  it("does without a vault that nothing was written to", async () => {
    const { begin, logged } = start();
    begin();
    expect(await logged("clean-up-swept")).toMatchObject({ deleted: 0 });
    expect(readdirSync(root)).toEqual([]);
  });
});
