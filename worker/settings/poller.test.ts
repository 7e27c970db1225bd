import { type PollEvent } from "../event/poll-event.ts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NotFound, Unavailable } from "../../core/errors.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { StoreContents } from "../../core/store/store.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import {
  contents,
  domainAtLevel,
  feedEntry,
  levelEntry,
  levelOf,
  ScriptedStore,
} from "../../test/support/settings-feed.ts";
import { createFreshness } from "./freshness.ts";
import { type BackupSource, nextDelayMs, pollSettings } from "./poller.ts";
import { createSnapshotHolder } from "./snapshot-holder.ts";
import { createTrustContentLoader } from "../../core/snapshot/trust-content-loader.ts";

/** A poller whose pauses end when the test says so, on a clock that moves by exactly those pauses. */
function start(
  store: ScriptedStore,
  vaultAnswers: Map<string, Uint8Array> = new Map(),
  backup: BackupSource | null = null,
) {
  const stop = new AbortController();
  const events: PollEvent[] = [];
  const pauses: number[] = [];
  let nowMs = 1_000;
  let wake = (): void => {};
  let polled = (): void => {};
  const holder = createSnapshotHolder();
  const freshness = createFreshness({ monotonicNow: () => nowMs, silenceMs: 3_000 });
  const vault = {
    get: async (key: string) => {
      const bytes = vaultAnswers.get(key);
      if (bytes === undefined) throw new NotFound(key);
      return bytes;
    },
  };
  const trustContents = createTrustContentLoader(vault, () => {});
  const done = pollSettings(
    { store, trustContents, holder, freshness, backup },
    {
      intervalMs: 1_000,
      maxBackoffMs: 5_000,
      random: () => 0.5,
      monotonicNow: () => nowMs,
      onEvent: (event) => events.push(event),
      sleep: (ms) => {
        pauses.push(ms);
        nowMs += ms;
        polled();
        return new Promise((resolve) => {
          wake = resolve;
        });
      },
    },
    stop.signal,
  );
  const nextPoll = (): Promise<void> =>
    new Promise((resolve) => {
      polled = resolve;
      wake();
    });
  const end = async (): Promise<void> => {
    stop.abort();
    wake();
    await done;
  };
  return {
    holder,
    freshness,
    events,
    pauses,
    trustContents,
    nextPoll,
    end,
    advance: (ms: number) => (nowMs += ms),
  };
}

const storeWith = (revision: number, level: "accept" | "require"): ScriptedStore => {
  const store = new ScriptedStore();
  store.contents = contents(revision, [domainAtLevel("example.com", level, revision)]);
  store.head = revision;
  return store;
};

describe("given a store that answers", () => {
  it("loads everything once, then asks only for what is newer, and reports that nothing changed", async () => {
    const store = storeWith(3, "accept");
    const poller = start(store);
    await poller.nextPoll();
    await poller.nextPoll();
    await poller.nextPoll();
    await poller.end();
    expect(store.calls).toEqual(["all", "after 3", "after 3"]);
    expect(poller.events.map((event) => event.kind)).toEqual(["loaded", "unchanged", "unchanged"]);
  });

  it("puts the gapless continuation in force", async () => {
    const store = storeWith(3, "accept");
    const poller = start(store);
    await poller.nextPoll();
    const before = poller.holder.current();
    store.log = [levelEntry(4, "example.com", "require"), levelEntry(5, "example.net", "none")];
    store.head = 5;
    await poller.nextPoll();
    await poller.end();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(poller.holder.current()?.revision).toBe(5);
    expect(levelOf(before, "example.com")).toBe("accept");
    expect(poller.events.at(-1)).toEqual({ kind: "applied", revision: 5, from: 3, entries: 2 });
  });

  it("follows a log longer than one page to its end within one poll", async () => {
    const store = storeWith(0, "accept");
    const poller = start(store);
    await poller.nextPoll();
    store.log = Array.from({ length: 250 }, (_, index) =>
      levelEntry(index + 1, `d${index}.example`, "require"),
    );
    store.head = 250;
    await poller.nextPoll();
    await poller.end();
    expect(poller.holder.current()?.revision).toBe(250);
    expect(levelOf(poller.holder.current(), "d249.example")).toBe("require");
    expect(store.mostAtOnce).toBe(1);
  });
});

describe("given a log with a gap", () => {
  const withGap = async () => {
    const store = storeWith(3, "accept");
    const poller = start(store);
    await poller.nextPoll();
    store.log = [levelEntry(5, "example.com", "none")];
    store.head = 5;
    await poller.nextPoll();
    return { store, poller };
  };

  it("applies nothing and polls again soon", async () => {
    const { poller } = await withGap();
    await poller.end();
    expect(poller.holder.current()?.revision).toBe(3);
    expect(poller.events.at(-1)).toMatchObject({ kind: "gap", head: 5, polls: 1 });
    expect(poller.pauses.at(-1)).toBeLessThanOrEqual(100);
  });

  it("goes on when the missing entry shows up", async () => {
    const { store, poller } = await withGap();
    store.log = [levelEntry(4, "example.com", "require"), levelEntry(5, "example.net", "none")];
    await poller.nextPoll();
    await poller.end();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(store.calls.filter((call) => call === "all")).toHaveLength(1);
  });

  it("loads everything at the third poll, within one second of the first", async () => {
    const { store, poller } = await withGap();
    store.contents = contents(5, [domainAtLevel("example.com", "require", 5)]);
    await poller.nextPoll();
    expect(store.calls.filter((call) => call === "all")).toHaveLength(1);
    await poller.nextPoll();
    await poller.end();
    expect(store.calls.filter((call) => call === "all")).toHaveLength(2);
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(poller.pauses.slice(1, 3).reduce((sum, ms) => sum + ms, 0)).toBeLessThan(1_000);
  });

  it("treats entries that are gone (head moved, nothing after us) as a gap", async () => {
    const store = storeWith(3, "accept");
    const poller = start(store);
    await poller.nextPoll();
    store.head = 9;
    store.contents = contents(9, [domainAtLevel("example.com", "require", 9)]);
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    await poller.end();
    expect(poller.holder.current()?.revision).toBe(9);
  });
});

describe("given a store that is behind what is held", () => {
  it("takes over a store restored from a backup, by a full load after three polls", async () => {
    const store = storeWith(7, "require");
    const poller = start(store);
    await poller.nextPoll();
    store.head = 4;
    store.contents = contents(4, [domainAtLevel("example.com", "accept", 4)]);
    await poller.nextPoll();
    await poller.nextPoll();
    expect(poller.holder.current()?.revision).toBe(7);
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "loaded", revision: 4, from: 7 });
  });

  it("keeps its settings and says that they are stale when the store came back empty", async () => {
    const store = storeWith(7, "require");
    const poller = start(store);
    await poller.nextPoll();
    store.head = 0;
    store.contents = contents(0, []);
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    await poller.end();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(poller.events.at(-1)).toEqual({ kind: "refused", revision: 0, from: 7 });
    expect(poller.freshness.staleForMs()).toBeGreaterThan(0);
  });
});

describe("given a store that fails", () => {
  it("keeps the last good snapshot, says for how long it is stale, and goes on where it was", async () => {
    const store = storeWith(3, "require");
    const poller = start(store);
    await poller.nextPoll();
    expect(poller.freshness.staleForMs()).toBe(0);
    store.log = new Unavailable("no answer");
    await poller.nextPoll();
    await poller.nextPoll();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(poller.freshness.staleForMs()).toBeGreaterThanOrEqual(2_000);
    expect(poller.events.at(-1)).toMatchObject({ kind: "failed", failures: 2 });
    store.log = [levelEntry(4, "example.com", "accept")];
    store.head = 4;
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "applied", revision: 4 });
    expect(store.calls.filter((call) => call === "all")).toHaveLength(1);
  });

  it("holds nothing, and keeps trying, while the first load has not succeeded", async () => {
    const store = storeWith(3, "require");
    const good = store.contents;
    store.contents = new Unavailable("no answer");
    const poller = start(store);
    await poller.nextPoll();
    await poller.nextPoll();
    expect(poller.holder.current()).toBeNull();
    store.contents = good;
    await poller.nextPoll();
    await poller.end();
    expect(poller.holder.current()?.revision).toBe(3);
  });

  it("goes stale when the store hangs, although nothing failed", async () => {
    const poller = start(storeWith(3, "require"));
    await poller.nextPoll();
    expect(poller.freshness.staleForMs()).toBe(0);
    poller.advance(4_000);
    expect(poller.freshness.staleForMs()).toBeGreaterThanOrEqual(4_000);
    await poller.end();
  });

  it("waits longer after each failure, up to the cap", async () => {
    const store = storeWith(3, "require");
    store.contents = new Unavailable("no answer");
    const poller = start(store);
    for (let poll = 0; poll < 5; poll += 1) await poller.nextPoll();
    await poller.end();
    expect(poller.pauses).toEqual([2_000, 4_000, 5_000, 5_000, 5_000]);
  });
});

describe("given records that cannot be read", () => {
  const HOST = name("mx.example.com");
  const problem = { kind: "domain", id: "example.com", problem: "not a domain record" } as const;

  it("keeps the version in force through a full load, and lists the item", async () => {
    const store = storeWith(3, "require");
    const poller = start(store);
    await poller.nextPoll();
    store.head = 9;
    store.contents = { ...contents(9, [domainAtLevel("example.net", "accept", 9)]), unreadable: [problem] };
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    await poller.end();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(levelOf(poller.holder.current(), "example.net")).toBe("accept");
    expect(poller.holder.current()?.unreadable).toEqual([problem]);
  });

  it.each([
    [
      "MX host",
      { kind: "mx-host", id: HOST, problem: "bad" },
      { mxHosts: [] },
      (held: Snapshot | null) => held?.host(HOST)?.certificateId,
      certificateId(1),
    ],
    [
      "certificate",
      { kind: "certificate", id: certificateId(1), problem: "bad" },
      { certificates: [] },
      (held: Snapshot | null) => held?.certificate(certificateId(1))?.material?.version,
      7,
    ],
    [
      "trust store",
      { kind: "trust-store", id: trustStoreId(1), problem: "bad" },
      { trustStores: [] },
      (held: Snapshot | null) => held?.trustStore(trustStoreId(1))?.label,
      "held",
    ],
  ] as const)("keeps the %s in force through a full load that cannot read it", async (...row) => {
    const [, item, without, read, expected] = row;
    const store = new ScriptedStore();
    const whole: StoreContents = {
      ...contents(3, [domainRecord({ name: "example.com", mxHosts: [HOST], revision: 3 })]),
      mxHosts: [{ host: HOST, account: "default", certificateId: certificateId(1), domainCount: 1 }],
      certificates: [certificateRecord({ material: { version: 7, sha256: "cd".repeat(32) } })],
      trustStores: [trustStoreRecord({ label: "held" })],
    };
    store.contents = whole;
    store.head = 3;
    const poller = start(store);
    await poller.nextPoll();
    expect(read(poller.holder.current())).toBe(expected);
    store.head = 9;
    store.contents = { ...whole, revision: 9, ...without, unreadable: [item] };
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    const loaded = poller.holder.current();
    expect([loaded?.revision, read(loaded)]).toEqual([9, expected]);
    expect(loaded?.unreadable).toContainEqual(item);
    // Once it is readable again, and gone, nothing is carried over.
    store.head = 12;
    store.contents = { ...whole, revision: 12, ...without };
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    await poller.end();
    expect([poller.holder.current()?.revision, read(poller.holder.current()) ?? null]).toEqual([12, null]);
  });

  it("has no settings for a domain that was never readable", async () => {
    const store = storeWith(3, "require");
    store.contents = { ...contents(3, []), unreadable: [problem] };
    const poller = start(store);
    await poller.nextPoll();
    await poller.end();
    expect(levelOf(poller.holder.current(), "example.com")).toBe("unusable");
  });
});

describe("given a trust store", () => {
  const sha256 = "a".repeat(64);
  const content = Buffer.from(JSON.stringify({ certificatesPem: "PEM", crlPem: null }));
  const entry = () => {
    const after = trustStoreRecord({ contentSha256: sha256, revision: 4 });
    return feedEntry(4, { kind: "trust-store", id: after.id, before: null, after });
  };

  it("has its content loaded before the snapshot that names it is in force", async () => {
    const store = storeWith(3, "require");
    const poller = start(store, new Map([[`trust/${sha256}`, content]]));
    await poller.nextPoll();
    store.log = [entry()];
    store.head = 4;
    await poller.nextPoll();
    await poller.end();
    expect(poller.holder.current()?.trustContent(sha256)?.certificatesPem).toBe("PEM");
    expect(poller.trustContents.unreadable()).toEqual([]);
  });

  it("shows content that is missing, and takes it in when a later poll finds it", async () => {
    const store = storeWith(3, "require");
    const vault = new Map<string, Uint8Array>();
    const poller = start(store, vault);
    await poller.nextPoll();
    store.log = [entry()];
    store.head = 4;
    await poller.nextPoll();
    expect(poller.holder.current()?.revision).toBe(4);
    expect(poller.holder.current()?.trustContent(sha256)).toBeUndefined();
    expect(poller.trustContents.unreadable()).toMatchObject([{ kind: "trust-store" }]);
    await poller.nextPoll();
    expect(poller.events.at(-1)?.kind).toBe("unchanged");
    vault.set(`trust/${sha256}`, content);
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)?.kind).toBe("trust-contents");
    expect(poller.holder.current()?.trustContent(sha256)?.certificatesPem).toBe("PEM");
  });
});

describe("the pause between polls", () => {
  it("never makes a change wait longer than one interval plus one second while the store is healthy", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 50, max: 60_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (intervalMs, r) => {
          const delayMs = nextDelayMs({ intervalMs, maxBackoffMs: 5_000, random: () => r }, 0);
          expect(delayMs).toBeLessThan(intervalMs + 1_000);
          expect(delayMs).toBeGreaterThanOrEqual(intervalMs * 0.9 - 1);
        },
      ),
    );
  });

  it("spreads edges by up to ten percent", () => {
    const delay = (r: number): number =>
      nextDelayMs({ intervalMs: 1_000, maxBackoffMs: 5_000, random: () => r }, 0);
    expect([delay(0), delay(0.5), delay(1)]).toEqual([900, 1_000, 1_100]);
  });

  it("never backs off below an interval that is longer than the cap", () => {
    expect(nextDelayMs({ intervalMs: 60_000, maxBackoffMs: 5_000, random: () => 0.5 }, 4)).toBe(60_000);
  });
});

describe("given a store that cannot be read at the start", () => {
  const HOUR_MS = 3_600_000;
  const backupAt = (revision: number): BackupSource => ({
    read: async () => ({
      contents: contents(revision, [domainAtLevel("example.com", "require", revision)]),
      ageMs: HOUR_MS,
    }),
  });
  const failing = (): ScriptedStore => {
    const store = storeWith(7, "accept");
    store.contents = new Unavailable("no answer");
    store.log = new Unavailable("no answer");
    return store;
  };

  it("puts the backup in force, as old as it is, and goes on from there when the store is back", async () => {
    const store = failing();
    const poller = start(store, new Map(), backupAt(5));
    await poller.nextPoll();
    expect(poller.events.at(-1)).toMatchObject({
      kind: "from-backup",
      revision: 5,
      ageMs: HOUR_MS,
      domains: 1,
    });
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    expect(poller.freshness.staleForMs()).toBeGreaterThanOrEqual(HOUR_MS);
    await poller.nextPoll();
    expect(poller.events.at(-1)).toMatchObject({ kind: "failed" });
    expect(poller.freshness.staleForMs()).toBeGreaterThan(HOUR_MS);
    store.log = [levelEntry(6, "example.com", "accept"), levelEntry(7, "example.net", "none")];
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toEqual({ kind: "applied", revision: 7, from: 5, entries: 2 });
    expect(levelOf(poller.holder.current(), "example.com")).toBe("accept");
    expect(poller.freshness.staleForMs()).toBe(0);
  });

  it.each([
    ["there is no backup", null],
    ["none was ever written", { read: async () => null }],
    ["the backup cannot be read", { read: () => Promise.reject(new Unavailable("no answer")) }],
  ])("holds nothing while %s, and loads the store when it is back", async (_, backup) => {
    const store = failing();
    const poller = start(store, new Map(), backup);
    await poller.nextPoll();
    expect(poller.events.at(-1)).toMatchObject({ kind: "failed", failures: 1 });
    expect(poller.holder.current()).toBeNull();
    store.contents = contents(7, [domainAtLevel("example.com", "accept", 7)]);
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "loaded", revision: 7 });
  });

  it("takes an empty store for lost while the backup has settings, and keeps to the backup", async () => {
    const store = storeWith(0, "accept");
    store.contents = contents(0, []);
    const poller = start(store, new Map(), backupAt(5));
    await poller.nextPoll();
    expect(poller.events.at(-1)).toMatchObject({
      kind: "from-backup",
      revision: 5,
      error: { name: "Unavailable", message: expect.stringContaining("its backup is of revision 5") },
    });
    expect(levelOf(poller.holder.current(), "example.com")).toBe("require");
    for (let poll = 0; poll < 3; poll += 1) await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "refused", revision: 0, from: 5 });
    expect(poller.holder.current()?.revision).toBe(5);
    expect(poller.freshness.staleForMs()).toBeGreaterThanOrEqual(HOUR_MS);
  });

  it.each([
    ["none was ever written", async () => null],
    ["it is of an empty store too", () => Promise.resolve({ contents: contents(0, []), ageMs: HOUR_MS })],
  ])("takes an empty store for a new one when %s", async (_, read) => {
    const store = storeWith(0, "accept");
    store.contents = contents(0, []);
    const poller = start(store, new Map(), { read });
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "loaded", revision: 0 });
    expect(poller.holder.current()?.revision).toBe(0);
  });

  it("holds nothing while the store is empty and it is not known whether there is a backup", async () => {
    const store = storeWith(0, "accept");
    store.contents = contents(0, []);
    const poller = start(store, new Map(), { read: () => Promise.reject(new Unavailable("no answer")) });
    await poller.nextPoll();
    await poller.end();
    expect(poller.events.at(-1)).toMatchObject({ kind: "failed" });
    expect(poller.holder.current()).toBeNull();
  });

  it("never asks for the backup when the store answers", async () => {
    let asked = 0;
    const backup: BackupSource = {
      read: async () => {
        asked += 1;
        return null;
      },
    };
    const poller = start(storeWith(3, "accept"), new Map(), backup);
    await poller.nextPoll();
    await poller.end();
    expect(asked).toBe(0);
  });
});
