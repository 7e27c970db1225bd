import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The checkout that is being tested. */
export const ROOT = join(import.meta.dirname, "../..");

export interface SourceFile {
  /** Relative to the checkout, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Tracked files that match one of the patterns, in order of path. */
export function sourceFiles(...patterns: readonly string[]): readonly SourceFile[] {
  const exclude = ["**/node_modules/**", ".data/**"];
  return globSync(patterns, { cwd: ROOT, exclude })
    .toSorted()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** The text of one file; throws when it is absent. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The text with comments blanked and lines kept, so that prose may name what code must not. */
export function withoutComments(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//gu, (comment) => comment.replaceAll(/[^\n]/gu, " "))
    .replaceAll(/(?<=^|\s)\/\/.*$/gmu, "");
}
