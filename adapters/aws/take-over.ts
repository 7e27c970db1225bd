import { NotFound, Unavailable } from "../../core/errors.ts";
import { mapAtMost } from "./at-most.ts";
import { readHead } from "./dynamodb-log.ts";
import { type DynamoDbTable, numberOf, sortKeyOf } from "./dynamodb-table.ts";
import {
  HEAD_KEY,
  logRange,
  RECORD_PARTITIONS,
  revisionOf,
  wholePartition,
  WRITER_REGION,
} from "./table-keys.ts";

const PARTITIONS_AT_ONCE = 8;

/**
 * Makes this region the one that writes, and the records of its replica the truth: the step of a failover
 * between "the other region's writers are stopped" and the first write here (docs/deploy.md). The head goes
 * beyond all that has arrived, so that no new entry meets an old one; the log before it may have holes, and
 * edges load everything.
 *
 * @returns the new head.
 * @throws Unavailable when the head changes meanwhile: the other region still writes.
 * @throws NotFound for a table without settings: as a truth it would empty the edges.
 */
export async function takeOver(table: DynamoDbTable): Promise<number> {
  const head = readHead(await table.get(HEAD_KEY)).revision;
  const revisions = await mapAtMost(PARTITIONS_AT_ONCE, RECORD_PARTITIONS, (pk) => newestOf(table, pk));
  const logged = await newestEntry(table);
  const newest = Math.max(head, logged, ...revisions);
  if (Math.max(...revisions) === 0) throw new NotFound("the table holds no settings");
  const values = {
    ":next": { N: String(newest + 1) },
    ":head": { N: String(head) },
    ":region": { S: await table.region() },
  };
  const cancelled = await table.transact([
    {
      update: HEAD_KEY,
      // No time: no entry of the log stands behind this revision.
      set: `SET head = :next, settled = :next, ${WRITER_REGION} = :region REMOVE writtenAt`,
      condition: { expression: head === 0 ? "attribute_not_exists(head)" : "head = :head", values },
    },
  ]);
  if (cancelled !== null) throw new Unavailable("the head has changed: another region still writes");
  return newest + 1;
}

async function newestOf(table: DynamoDbTable, pk: string): Promise<number> {
  let newest = 0;
  for await (const items of table.pages(wholePartition(pk)))
    for (const item of items) newest = Math.max(newest, numberOf(item, "revision") ?? 0);
  return newest;
}

async function newestEntry(table: DynamoDbTable): Promise<number> {
  let newest = 0;
  for await (const items of table.pages(logRange(1, Number.MAX_SAFE_INTEGER)))
    for (const item of items) newest = Math.max(newest, revisionOf(sortKeyOf(item)) || 0);
  return newest;
}
