import { InvalidInput } from "../../core/errors.ts";
import type { WriteCondition } from "../../core/settings/write-condition.ts";

/** The entity tag of a record and of its parts: always strong. */
export const entityTag = (revision: number): string => `"${revision}"`;

/** Header of an answer that shows a record, or a part of one. */
export const etagOf = ({ revision }: { readonly revision: number }) => ({ ETag: entityTag(revision) });

/** `W/"…"` or `"…"` (RFC 9110 section 8.8.3), with the comma or end after it. */
const LISTED_TAG = /[ \t]*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)/y;
/** Revisions as we write them; any other tag is none of ours. */
const REVISION = /^[1-9]\d{0,15}$/;

/**
 * Reads If-Match and If-None-Match (RFC 9110 section 13.1). If-Match compares strongly, so a weak tag matches nothing;
 * If-None-Match compares weakly.
 *
 * @throws InvalidInput when a header is neither `*` nor a list of entity tags.
 */
export function readCondition(request: { header(name: string): string | undefined }): WriteCondition {
  return {
    matches: readTags("If-Match", request.header("If-Match"), { weak: false }),
    matchesNot: readTags("If-None-Match", request.header("If-None-Match"), { weak: true }),
  };
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
  LISTED_TAG.lastIndex = 0;
  do {
    const found = LISTED_TAG.exec(text);
    if (found === null)
      throw new InvalidInput(`${name} must be * or a list of entity tags, such as "17" with its quotes`, [
        { pointer: "", code: "invalid-header", message: `${name} is not * or a list of entity tags` },
      ]);
    const [, weak, tag = ""] = found;
    if (REVISION.test(tag) && (weak === undefined || compare.weak)) revisions.push(Number(tag));
  } while (LISTED_TAG.lastIndex < text.length);
  return revisions;
}
