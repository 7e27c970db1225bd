/** Entity tags and conditional requests (RFC 9110 section 13). */

import { InvalidInput, StaleRevision } from "../../core/errors.ts";
import type { WriteCondition } from "../../core/store/write-condition.ts";

/** The entity tag of a record and of its parts: always strong. */
export const entityTag = (revision: number): string => `"${revision}"`;

/** Header of an answer that shows a record, or a part of one. */
export const etagOf = ({ revision }: { readonly revision: number }) => ({ ETag: entityTag(revision) });

/** RFC 9110 section 13.1.1, with the empty elements of section 5.6.1.2. */
export const TAGS = String.raw`^[ \t]*(\*|[ \t,]*((W/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(,[ \t,]*|$))*)[ \t]*$`;

/** `W/"…"` or `"…"` (RFC 9110 section 8.8.3), with the comma or end after it. */
const LISTED_TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;
/** Empty elements of a list are ignored (RFC 9110 section 5.6.1.2). */
const EMPTY_ELEMENTS = /[ \t,]*/y;
/** Revisions as we write them; any other tag is not from here. */
const REVISION = /^[1-9]\d{0,15}$/;

/**
 * Reads If-Match and If-None-Match (RFC 9110 section 13.1). If-Match compares strongly, so a weak tag matches
 * nothing; If-None-Match compares weakly.
 *
 * @throws InvalidInput when a header is neither `*` nor a list of entity tags.
 */
export function readCondition(request: { header(name: string): string | undefined }): WriteCondition {
  return {
    matches: readTags("If-Match", request.header("If-Match"), { weak: false }),
    matchesNot: readTags("If-None-Match", request.header("If-None-Match"), { weak: true }),
  };
}

/**
 * Judges a read by its conditions (RFC 9110 section 13.2.2): If-Match first. @throws StaleRevision
 */
export function judgeRead({ matches, matchesNot }: WriteCondition, etag: string): "read" | "not-modified" {
  const names = (revisions: WriteCondition["matches"]): boolean =>
    revisions === "any" || revisions?.some((revision) => entityTag(revision) === etag) === true;
  if (matches !== null && !names(matches))
    throw new StaleRevision("the record is at another revision", Number(etag.slice(1, -1)));
  return names(matchesNot) ? "not-modified" : "read";
}

function readTags(
  name: string,
  value: string | undefined,
  compare: { weak: boolean },
): "any" | number[] | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (text === "*") return "any";
  const revisions: number[] = [];
  let at = skipEmpty(text, 0);
  while (at < text.length) {
    LISTED_TAG.lastIndex = at;
    const found = LISTED_TAG.exec(text);
    if (found === null) throw noTags(name);
    const [, weak, tag = ""] = found;
    if (REVISION.test(tag) && (weak === undefined || compare.weak)) revisions.push(Number(tag));
    at = skipEmpty(text, LISTED_TAG.lastIndex);
  }
  return revisions;
}

function skipEmpty(text: string, from: number): number {
  EMPTY_ELEMENTS.lastIndex = from;
  EMPTY_ELEMENTS.exec(text);
  return EMPTY_ELEMENTS.lastIndex;
}

function noTags(name: string): InvalidInput {
  const message = `${name} must be * or a list of entity tags, such as "17" with its quotes`;
  return new InvalidInput(message, [
    { in: "header", pointer: `/${name.toLowerCase()}`, code: "invalid-header", message },
  ]);
}
