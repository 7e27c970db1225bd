import { toPointer } from "./errors.ts";
import { describe, expect, it } from "vitest";

describe("toPointer", () => {
  it.each([
    [[], ""],
    [["tls", "exceptions", 0], "/tls/exceptions/0"],
    [["a/b", "~", ""], "/a~1b/~0/"],
    [["tls", "-----BEGIN PRIVATE KEY-----"], "/tls/(not shown)"],
    [["a\nb"], "/(not shown)"],
    [["MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAAAAAAAAAAAA", 0], "/(not shown)/0"],
  ])("writes %j as %j", (path, pointer) => expect(toPointer(path)).toBe(pointer));
});
