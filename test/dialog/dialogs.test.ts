import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, it } from "vitest";
import { parseDialog } from "./dialog-file.ts";
import { expectDialog } from "./run-dialog.ts";

const HERE = import.meta.dirname;

const files = readdirSync(HERE, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".dialog"))
  .toSorted()
  .map((path) => {
    const { title, steps } = parseDialog(readFileSync(join(HERE, path), "utf8"));
    return { path: relative(HERE, join(HERE, path)), title, steps };
  });

describe("dialogs", () => {
  it.each(files)("$path: $title", (dialog) => expectDialog(dialog));
});
