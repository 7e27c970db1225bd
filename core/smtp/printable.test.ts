import { expect, it } from "vitest";
import { printable } from "./printable.ts";

it.each([
  ["plain text", "x".repeat(20), 10, "x".repeat(10)],
  ["an escape that does not fit", `xxxxx${"é".repeat(3)}`, 15, "xxxxx\\u{e9}..."],
  ["a character beyond the BMP at the limit", `${"x".repeat(9)}😀`, 10, "x".repeat(9)],
])("cuts %s between characters", (_, text, limit, expected) => {
  expect(printable(text, limit)).toBe(expected);
});
