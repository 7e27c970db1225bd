import type { PollEvent } from "../event/poll-event.ts";
import { describe, expect, it } from "vitest";
import { buildSnapshot } from "../../core/snapshot/snapshot.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import { contents } from "../../test/support/settings-feed.ts";
import type { LogEvent } from "../../core/log-event.ts";
import { createPollLog } from "./poll-log.ts";

const LOADED: PollEvent = { kind: "loaded", revision: 3, from: null, domains: 0, unreadable: 0 };
const UNCHANGED: PollEvent = { kind: "unchanged", revision: 3 };
const FAILED: PollEvent = { kind: "failed", failures: 1, error: new Error("x") };

function logOf(events: readonly PollEvent[], snapshots: Snapshot[] = []): LogEvent[] {
  const logged: LogEvent[] = [];
  const fallback = buildSnapshot(contents(3, []), new Map());
  let current = fallback;
  const log = createPollLog({
    log: (event) => logged.push(event),
    snapshot: () => current,
    staleForMs: () => 0,
  });
  for (const event of events) {
    current = snapshots.shift() ?? current;
    log(event);
  }
  return logged;
}

describe("the log of polls", () => {
  it("tells ever more rarely that the store is away, and once that it is back", () => {
    const events = [LOADED, ...Array.from({ length: 100 }, () => FAILED), UNCHANGED, UNCHANGED];
    const logged = logOf(events);
    expect(logged.filter((event) => event === "settings-stale")).toHaveLength(7);
    expect(logged.filter((event) => event === "settings-recovered")).toHaveLength(1);
  });

  it("tells of unreadable items when there are any, and again only when they change", () => {
    const item = { kind: "domain", id: "example.com", problem: "x" } as const;
    const broken = buildSnapshot({ ...contents(3, []), unreadable: [item] }, new Map());
    const good = buildSnapshot(contents(4, []), new Map());
    const logged = logOf(
      [LOADED, UNCHANGED, UNCHANGED, LOADED, UNCHANGED],
      [good, broken, broken, good, good],
    );
    expect(logged.filter((event) => event === "settings-unreadable")).toHaveLength(2);
  });

  it("names a refused store", () => {
    expect(logOf([LOADED, { kind: "refused", revision: 0, from: 3 }])).toEqual([
      "settings-loaded",
      "settings-refused",
      "settings-stale",
    ]);
  });
});
