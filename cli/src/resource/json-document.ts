import { CommandError } from "../frame/command-error.ts";
import type { Context } from "../frame/command.ts";

/** Largest request that the API takes (docs/api.md). */
export const MAX_DOCUMENT_BYTES = 1_000_000;

/** A text from a file, or from stdin for `-`. */
export async function readText({ effects }: Pick<Context, "effects">, path: string): Promise<string> {
  return path === "-" ? effects.stdin.text(MAX_DOCUMENT_BYTES) : effects.files.read(path, MAX_DOCUMENT_BYTES);
}

/** A JSON object from a file, or from stdin for `-`. The API checks its members. */
export async function readJsonDocument(context: Pick<Context, "effects">, path: string): Promise<object> {
  const text = await readText(context, path);
  const name = path === "-" ? "stdin" : path;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${name} is not JSON${placeOf(error)}`, { cause: error });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new CommandError(`${name} is not a JSON object`);
  return document;
}

/** The parser's message itself shows a part of the text, which may be that of a secret. */
function placeOf(error: unknown): string {
  const place = /line \d+ column \d+/u.exec(error instanceof Error ? error.message : "")?.[0];
  return place === undefined ? "" : ` (${place})`;
}
