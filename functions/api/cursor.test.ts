import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../core/errors.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

const LIST = ["domains", "default", "prefix", undefined];

describe("cursors", () => {
  it("are read back as the key that they were made of, for any key", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
        (after) => {
          expect(decodeCursor(LIST, encodeCursor(LIST, after))).toBe(after);
        },
      ),
    );
  });

  it("are refused when one character of them is changed, added or taken", () => {
    const cursor = encodeCursor(LIST, "example.com");
    fc.assert(
      fc.property(fc.nat(cursor.length - 1), fc.constantFrom("", "A", "_", "=", "%"), (at, other) => {
        fc.pre(cursor[at] !== other);
        const changed = cursor.slice(0, at) + other + cursor.slice(at + 1);
        expect(() => decodeCursor(LIST, changed)).toThrow(InvalidInput);
        expect(() => decodeCursor(LIST, `${cursor}${other === "" ? "A" : other}`)).toThrow(InvalidInput);
      }),
    );
  });

  it.each([
    [["certificates", "default", "prefix", undefined]],
    [["domains", "other", "prefix", undefined]],
    [["domains", "default", "prefi", undefined]],
    [["domains", "default", undefined, "prefix"]],
    [["domains", "default", "prefix", ""]],
    [["domains", "default", "prefix"]],
  ])("are refused by another list: %j", (other) => {
    expect(() => decodeCursor(other, encodeCursor(LIST, "example.com"))).toThrow(InvalidInput);
  });

  it.each(["", "x", "=", "é", "A".repeat(10_000)])("that we did not make are refused: %s", (cursor) => {
    expect(() => decodeCursor(LIST, cursor)).toThrow(InvalidInput);
  });
});
