import fc from "fast-check";
import { applyPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import { jsonDiff } from "./json-diff.ts";

/** The package's own application of a patch, to a copy. */
function patched(before: unknown, operations: ReturnType<typeof jsonDiff>): unknown {
  const holder = { document: structuredClone(before) };
  const under = operations.map((each) => ({ value: null, ...each, path: `/document${each.path}` }));
  expect(applyPatch(holder, under).filter((error) => error !== null)).toEqual([]);
  return holder.document;
}

describe("a difference as a JSON Patch", () => {
  it.each([
    ["equal documents", { a: [1] }, { a: [1] }, []],
    ["a member", { a: 1, "b/~": 2 }, { a: 1, "b/~": 3 }, [{ op: "replace", path: "/b~1~0", value: 3 }]],
    ["an absent member", { a: 1 }, {}, [{ op: "remove", path: "/a" }]],
    ["null, which is a value", {}, { a: null }, [{ op: "add", path: "/a", value: null }]],
    ["an item in the middle", { l: [1, 2, 3] }, { l: [1, 3] }, [{ op: "remove", path: "/l/1" }]],
    ["an item at the end", { l: [1] }, { l: [1, 2] }, [{ op: "add", path: "/l/1", value: 2 }]],
    [
      "a part of an item",
      { l: [{ x: 1 }] },
      { l: [{ x: 2 }] },
      [{ op: "replace", path: "/l/0", value: { x: 2 } }],
    ],
    ["a document that was absent", null, { a: 1 }, [{ op: "replace", path: "", value: { a: 1 } }]],
    ["a document that is gone", { a: 1 }, null, [{ op: "replace", path: "", value: null }]],
  ])("names what changed: %s", (_, before, after, operations) => {
    expect(jsonDiff(before, after)).toEqual(operations);
    expect(patched(before, jsonDiff(before, after))).toEqual(after);
  });

  it("gives the second of any two documents when applied to the first", () => {
    const list = fc.array(fc.oneof(fc.nat(3), fc.record({ x: fc.nat(2) })), { maxLength: 6 });
    const document = fc.record(
      { a: list, b: fc.record({ c: list, "d/~": fc.option(fc.nat(2)) }, { requiredKeys: [] }) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.option(document), fc.option(document), (before, after) => {
        expect(patched(before, jsonDiff(before, after))).toEqual(after);
      }),
    );
  });

  it("has at most one operation for each item of lists that have nothing in common", () => {
    const list = (from: number) => Array.from({ length: 200 }, (_, n) => ({ n: from + n }));
    expect(jsonDiff(list(0), list(1_000))).toHaveLength(200);
  });
});
