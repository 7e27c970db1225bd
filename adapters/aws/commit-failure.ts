/** What a cancelled transaction of a commit means. */

import type { CancellationReason } from "@aws-sdk/client-dynamodb";
import { Contention, StaleRevision, StateConflict, Unavailable } from "../../core/errors.ts";
import { otherUses, ownUses, replacedRevision } from "../../core/store/log-entry.ts";
import type { Commit } from "../../core/store/store.ts";
import { type Item, numberOf, textOf } from "./dynamodb-table.ts";
import { WRITER_REGION } from "./table-keys.ts";

/**
 * The record first, then its uses, then everything that another write may have
 * changed.
 */
export function commitFailure(commit: Commit, reasons: readonly CancellationReason[], usesAt: number): Error {
  const failed = (index: number): boolean => reasons[index]?.Code === "ConditionalCheckFailed";
  const { hosts, expectedHead } = commit;
  const uses = otherUses(commit);
  // A deletion that moves its uses away was planned at a head: others may have come since.
  const isPlannedAgain = failed(1) && ownUses(commit) !== 0 && isUnchanged(commit, reasons[0]?.Item);
  if (failed(0) && !isPlannedAgain) return recordFailure(commit, reasons[0]?.Item);
  if (failed(1)) return headFailure(expectedHead, reasons[1]?.Item);
  for (const [index, { host }] of hosts.entries()) {
    if (failed(3 + index)) return new Contention(`MX host ${host} has changed`);
  }
  for (const [index, { id }] of uses.entries()) {
    const position = usesAt + index;
    if (!failed(position)) continue;
    if (reasons[position]?.Item === undefined) return new Contention(`${id} does not exist any more`);
    return new TypeError(`the uses of ${id} would be fewer than none`);
  }
  return new Contention("another write is at the same items");
}

function headFailure(expectedHead: number, stored: Item | undefined): Error {
  const writer = textOf(stored, WRITER_REGION);
  // A head that is as expected was refused for its writer: another try would be refused too.
  if (writer !== undefined && numberOf(stored, "head") === expectedHead)
    return new Unavailable(`settings are written in the region ${writer} alone`);
  return new Contention(`revision ${expectedHead + 1} is taken`);
}

const isUnchanged = (commit: Commit, stored: Item | undefined): boolean =>
  stored !== undefined && numberOf(stored, "revision") === replacedRevision(commit);

function recordFailure(commit: Commit, stored: Item | undefined): Error {
  const { kind, id } = commit.record;
  const before = replacedRevision(commit);
  if (stored === undefined) return new StaleRevision(`${id} has been deleted`);
  if (before === undefined) return new StaleRevision(`${id} exists already`);
  if (!isUnchanged(commit, stored)) return new StaleRevision(`${id} was changed by someone else`);
  const count = (numberOf(stored, "usedCount") ?? 0) + ownUses(commit);
  const users = kind === "certificate" ? "MX hosts" : "domains";
  return new StateConflict("in-use", `${id} is used by ${count} ${users}`);
}
