import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedMap } from "./bounded-map.ts";

const CAPACITY = 3;
type Step = readonly ["get" | "peek" | "set" | "delete", key: number, value: number];

/** The plainest map of the same meaning: entries in a list, the least recently used first. */
class Model {
  entries: (readonly [key: number, value: number])[] = [];

  run([kind, key, value]: Step): number | undefined {
    const found = this.entries.find(([known]) => known === key);
    const others = this.entries.filter(([known]) => known !== key);
    if (kind === "delete") this.entries = others;
    else if (kind === "set") this.entries = [...others, [key, value] as const].slice(-CAPACITY);
    else if (kind === "get" && found !== undefined) this.entries = [...others, found];
    return kind === "get" || kind === "peek" ? found?.[1] : undefined;
  }
}

function run(map: BoundedMap<number, number>, [kind, key, value]: Step): number | undefined {
  switch (kind) {
    case "get":
      return map.get(key);
    case "peek":
      return map.peek(key);
    case "set":
      map.set(key, value);
      return undefined;
    default:
      map.delete(key);
      return undefined;
  }
}

const steps = fc.array(
  fc.tuple(fc.constantFrom("get", "peek", "set", "delete"), fc.integer({ min: 1, max: 5 }), fc.nat()),
  { maxLength: 40 },
);

describe("a bounded map", () => {
  it("answers, holds and evicts as a list of entries in the order of their last use does", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const map = new BoundedMap<number, number>(CAPACITY);
        const model = new Model();
        for (const step of all) {
          expect(run(map, step)).toBe(model.run(step));
          expect([...map.values()]).toEqual(model.entries.map(([, value]) => value));
          expect(map.size).toBe(model.entries.length);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["set", "b"],
    ["get", "b"],
    ["peek", "a"],
  ] as const)("evicts the entry that was used least recently, after %s of the first: %s", (kind, evicted) => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    if (kind === "set") map.set("a", 3);
    else map[kind]("a");
    map.set("c", 4);
    expect(["a", "b", "c"].filter((key) => map.peek(key) === undefined)).toEqual([evicted]);
  });
});
