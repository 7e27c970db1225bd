import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PACKAGES } from "../../scripts/import-tables.ts";
import { ROOT } from "./source-files.ts";

/** Folders of code: those of the import tables, and those that nothing of the product imports. */
const FOLDERS = [...Object.keys(PACKAGES), "adapters", "bench", "scripts", "test"];
const POINTS = [/lives here/iu, /may import/iu, /never/iu];
const LONGEST = 12;

describe("the README of each folder of code", () => {
  it.each(FOLDERS)(
    "%s: says what lives there, what it may import and what it never does, in a few lines",
    (folder) => {
      const path = join(ROOT, folder, "README.md");
      const text = existsSync(path) ? readFileSync(path, "utf8") : "";
      expect(POINTS.filter((point) => !point.test(text)).map(String)).toEqual([]);
      expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(LONGEST);
    },
  );
});
