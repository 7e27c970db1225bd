import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PersistentMap } from "./persistent-map.ts";

describe("PersistentMap", () => {
  const key = fc.integer({ min: 0, max: 1200 }).map((n) => `k${n}`);
  const change = fc.tuple(key, fc.option(fc.integer(), { nil: undefined }));

  it("holds what a Map holds after the same changes, in one shard or in many, and never changes itself", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1100 }),
        fc.array(change, { maxLength: 60 }),
        (initial, changes) => {
          const model = new Map(Array.from({ length: initial }, (_, n): [string, number] => [`k${n}`, n]));
          let map = PersistentMap.from(model);
          const first = map;
          const before = new Map(first.entries());
          for (const [name, value] of changes) {
            map = map.with(name, value);
            if (value === undefined) model.delete(name);
            else model.set(name, value);
          }
          expect(new Map(map.entries())).toEqual(model);
          expect(map.size).toBe(model.size);
          for (const name of model.keys()) expect(map.get(name)).toBe(model.get(name));
          expect(new Map(first.entries())).toEqual(before);
        },
      ),
    ));

  it("is itself when nothing changes", () => {
    const map = PersistentMap.from<string, number>([["a", 1]]);
    expect(map.with("a", 1)).toBe(map);
    expect(map.with("b", undefined)).toBe(map);
  });
});
