import { describe, expect, it } from "vitest";
import { buildSnapshot } from "../../core/snapshot/snapshot.ts";
import { contents } from "../../test/support/settings-feed.ts";
import { createSnapshotHolder } from "./snapshot-holder.ts";

const at = (revision: number) => buildSnapshot(contents(revision, []), new Map());

describe("the snapshot holder", () => {
  it.each([
    { held: 5, next: 6, origin: "continuation", taken: true },
    { held: 5, next: 5, origin: "continuation", taken: true },
    { held: 5, next: 4, origin: "continuation", taken: false },
    { held: 5, next: 4, origin: "full-load", taken: true },
    { held: 5, next: 0, origin: "full-load", taken: false },
    { held: 0, next: 0, origin: "full-load", taken: true },
  ] as const)("holding $held answers $taken to $next from a $origin", ({ held, next, origin, taken }) => {
    const holder = createSnapshotHolder();
    holder.replace(at(held), "full-load");
    expect(holder.replace(at(next), origin)).toBe(taken);
    expect(holder.current()?.revision).toBe(taken ? next : held);
  });

  it("holds nothing before the first snapshot, and takes any first one", () => {
    const holder = createSnapshotHolder();
    expect(holder.current()).toBeNull();
    expect(holder.replace(at(0), "full-load")).toBe(true);
  });
});
