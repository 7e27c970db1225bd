/** What turns one JSON document into another, as a JSON Patch (RFC 6902). */

import { createPatch } from "rfc6902";

export interface PatchOperation {
  readonly op: "add" | "remove" | "replace";
  /** JSON Pointer (RFC 6901). */
  readonly path: string;
  /** Absent = removed. */
  readonly value?: unknown;
}

/** Applied to `before` in order, the operations give `after`. */
export function jsonDiff(before: unknown, after: unknown): PatchOperation[] {
  return createPatch(before, after, (input, output, pointer) =>
    Array.isArray(input) && Array.isArray(output) ? listDiff(input, output, pointer.toString()) : undefined,
  ).flatMap((operation) => {
    const { op, path } = operation;
    if (op === "remove") return { op, path };
    return op === "add" || op === "replace" ? { op, path, value: operation.value } : [];
  });
}

/**
 * Whole items only, and what is alike at both ends left alone. The package's own search for the shortest
 * patch takes a second for two lists of 200 certificates (measured), and a page has 200 entries.
 */
function listDiff(before: readonly unknown[], after: readonly unknown[], path: string): AnyOperation[] {
  const [old, wanted] = [before.map(text), after.map(text)];
  const most = Math.min(old.length, wanted.length);
  let start = 0;
  while (start < most && old[start] === wanted[start]) start += 1;
  let end = 0;
  while (end < most - start && old.at(-1 - end) === wanted.at(-1 - end)) end += 1;
  const common = most - end;
  const replaced = after
    .slice(start, common)
    .map((value, n) => ({ op: "replace" as const, path: `${path}/${start + n}`, value, at: start + n }))
    .filter(({ at }) => old[at] !== wanted[at])
    .map(({ op, path: at, value }) => ({ op, path: at, value }));
  const removed = Array.from({ length: Math.max(0, old.length - wanted.length) }, () => ({
    op: "remove" as const,
    path: `${path}/${common}`,
  }));
  const added = after
    .slice(common, Math.max(common, wanted.length - end))
    .map((value, n) => ({ op: "add" as const, path: `${path}/${common + n}`, value }));
  return [...replaced, ...removed, ...added];
}

type AnyOperation = ReturnType<typeof createPatch>[number];

const text = (value: unknown): string => JSON.stringify(value) ?? "";
