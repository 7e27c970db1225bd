import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { documentFiles } from "../../scripts/write-document.ts";
import { readText, ROOT } from "./source-files.ts";

/** Line where two texts begin to differ; null = they are the same. */
function firstDifference(written: string, committed: string): string | null {
  if (written === committed) return null;
  const [ours, theirs] = [written, committed].map((text) => text.split("\n"));
  const at = ours?.findIndex((line, index) => line !== theirs?.[index]) ?? 0;
  return `line ${at + 1}: ${ours?.[at]?.trim() ?? "(end)"}`;
}

describe("the committed OpenAPI document, and what the SDK has of it", () => {
  const files = documentFiles();

  it.each(Object.keys(files))("%s says what the routes say: run npm run document", (path) => {
    const committed = existsSync(join(ROOT, path)) ? readText(path) : "";
    expect(firstDifference(files[path] ?? "", committed)).toBeNull();
  });

  it("are the same each time they are written", () => {
    expect(documentFiles()).toEqual(files);
  });

  it("differ in a line that is named", () => {
    expect(firstDifference("a\nb\n", "a\nc\n")).toBe("line 2: b");
    expect(firstDifference("a\n", "")).toBe("line 1: a");
  });
});
