import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDirectory } from "./make-directory.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "postern-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("making a directory", () => {
  it("makes what is missing above it, all for its owner alone, and says where it began", () => {
    const path = join(root, "a", "b", "c");
    expect(makeDirectory(path)).toBe(join(root, "a"));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, "a")).mode & 0o777).toBe(0o700);
  });

  it("makes nothing where something is", () => {
    writeFileSync(join(root, "file"), "");
    expect([makeDirectory(root), makeDirectory(join(root, "file"))]).toEqual([null, null]);
  });

  it("fails below a file", () => {
    writeFileSync(join(root, "file"), "");
    expect(() => makeDirectory(join(root, "file", "below"))).toThrow(/ENOTDIR/);
  });

  it.skipIf(!existsSync("/proc/self"))(
    "fails, and does not loop without end, where nothing can be made",
    () => {
      expect(() => makeDirectory("/proc/postern/data")).toThrow(/ENOENT/);
    },
  );
});
