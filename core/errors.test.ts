import { toPointer } from "./errors.ts";
import { describe, expect, it } from "vitest";

describe("toPointer", () => {
  it.each([
    [[], ""],
    [["tls", "exceptions", 0], "/tls/exceptions/0"],
    [["a/b", "~", ""], "/a~1b/~0/"],
  ])("writes %j as %j", (path, pointer) => expect(toPointer(path)).toBe(pointer));
});
