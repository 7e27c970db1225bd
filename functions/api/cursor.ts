/** Cursors of lists. */

import { createHash } from "node:crypto";
import { InvalidInput } from "../../core/errors.ts";

const CHECK_BYTES = 12;

/** What a cursor goes on in: the resource, the caller's account, and everything that filters. */
export type ListIdentity = readonly (string | undefined)[];

/**
 * Where a list goes on, as an opaque text that is good for the same list only. It is bound, not secret: the
 * key in it is one that the caller has seen, and a forged one only starts the caller's own list elsewhere.
 */
export function encodeCursor(list: ListIdentity, after: string): string {
  return Buffer.concat([checkOf(list, after), Buffer.from(after, "utf8")]).toString("base64url");
}

/** @throws InvalidInput when the cursor is of another list, or was changed. */
export function decodeCursor(list: ListIdentity, cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const bytes = Buffer.from(cursor, "base64url");
  const after = bytes.subarray(CHECK_BYTES).toString("utf8");
  // Encoded again, so that there is one spelling: base64 decoding skips what it does not know.
  if (encodeCursor(list, after) === cursor) return after;
  const message = "is not a cursor of this list with these filters; start again without it";
  throw new InvalidInput(`cursor ${message}`, [
    { in: "query", pointer: "/cursor", code: "invalid-cursor", message },
  ]);
}

/** A page of a list as it is answered. */
export const pageOf = <T, U>(
  list: ListIdentity,
  {
    items,
    unreadable,
    next,
  }: { readonly items: readonly T[]; readonly unreadable: readonly U[]; readonly next: string | null },
) => ({
  items,
  unreadable,
  nextCursor: next === null ? null : encodeCursor(list, next),
});

const checkOf = (list: ListIdentity, after: string): Buffer =>
  createHash("sha256")
    .update(JSON.stringify([...list.map((part) => part ?? null), after]))
    .digest()
    .subarray(0, CHECK_BYTES);
