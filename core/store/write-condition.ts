/** Conditions of a write on the present record (RFC 9110 section 13.1). */

import { ConditionMissing, StaleRevision } from "../errors.ts";

/** `any` = `*`: whatever the record is now. */
type Revisions = "any" | readonly number[];

/**
 * What a request says of the record that it means to write: If-Match and If-None-Match of RFC 9110 section
 * 13.1.
 */
export interface WriteCondition {
  /** The record exists, at one of these revisions; null = not said. */
  readonly matches: Revisions | null;
  /** The record is absent (`any`), or at none of these revisions; null = not said. */
  readonly matchesNot: Revisions | null;
}

/**
 * @param current the record as it is; null = absent.
 * @throws StaleRevision when the condition does not hold; ConditionMissing when an existing record would be
 *   written without If-Match.
 */
export function checkCondition(
  condition: WriteCondition,
  current: { readonly revision: number } | null,
): void {
  const { matches, matchesNot } = condition;
  if (current === null) {
    if (matches !== null) throw new StaleRevision("If-Match: the record does not exist");
    return;
  }
  if (matchesNot === "any") throw new StaleRevision("the record exists already", current.revision);
  if (matchesNot?.includes(current.revision))
    throw new StaleRevision("If-None-Match: the record is at this revision", current.revision);
  if (matches === null)
    throw new ConditionMissing(
      "the record exists: send If-Match with the revision that you have read, or * for any",
      current.revision,
    );
  if (matches !== "any" && !matches.includes(current.revision))
    throw new StaleRevision("the record was changed since it was read", current.revision);
}
