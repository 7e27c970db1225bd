import { BoundedMap } from "../../core/bounded-map.ts";
import { Contention, QuotaExceeded } from "../../core/errors.ts";
import {
  CHANGE,
  checkQuota,
  countAfter,
  type Counted,
  idsWithLog,
  isBounded,
} from "../../core/store/quota.ts";
import { actionOf } from "../../core/store/log-entry.ts";
import type { Commit, CommitSeries, SeriesExtent } from "../../core/store/store.ts";
import { allEntriesUpTo, headOf } from "./dynamodb-log.ts";
import { type DynamoDbTable, textOf } from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { listRange, nameOfListKey } from "./table-keys.ts";

/** How many accounts and kinds are remembered. */
const REMEMBERED = 1_000;
/** So many of the newest writes the index need not show yet. */
const LAG = 500;

/**
 * Counts of records by account and kind, for quotas. No item holds them: the index lists the ids, the newest
 * entries of the log say what it may not show yet, and from then on a count follows the log. A commit takes
 * the revision after `expectedHead`, so that what is counted there holds for it.
 */
export class DynamoDbCounts {
  readonly #table: DynamoDbTable;
  readonly #known = new BoundedMap<string, { readonly count: number; readonly revision: number }>(REMEMBERED);

  constructor(table: DynamoDbTable) {
    this.#table = table;
  }

  /**
   * The first of the commits that their quotas leave room for.
   * @throws QuotaExceeded when that is none, or not every one of the extent `all`
   */
  async fitting([first, ...others]: CommitSeries, extent: SeriesExtent): Promise<CommitSeries> {
    if (![first, ...others].some(isBounded)) return [first, ...others];
    const change = new Map<string, number>();
    const hasRoom = async (commit: Commit): Promise<void> => {
      const of = countedBy(commit);
      if (isBounded(commit))
        checkQuota(commit, (await this.#at(of, first.expectedHead)) + (change.get(keyOf(of)) ?? 0));
      change.set(keyOf(of), (change.get(keyOf(of)) ?? 0) + CHANGE[actionOf(commit)]);
    };
    await hasRoom(first);
    const fitting: Commit[] = [];
    for (const commit of others) {
      try {
        await hasRoom(commit);
      } catch (error) {
        if (extent === "all" || !(error instanceof QuotaExceeded)) throw error;
        break;
      }
      fitting.push(commit);
    }
    return [first, ...fitting];
  }

  /** @throws Contention when the head is another already */
  async #at(of: Counted, head: number): Promise<number> {
    const key = keyOf(of);
    const known = this.#known.get(key);
    const now =
      (known === undefined ? null : await this.#followed(known, of, head)) ?? (await this.#counted(of));
    this.#known.set(key, now);
    if (now.revision !== head) throw new Contention(`revision ${head} is not the head any more`);
    return now.count;
  }

  /** What is known, brought to the head; null = too much was written since. */
  async #followed(
    known: { readonly count: number; readonly revision: number },
    of: Counted,
    head: number,
  ): Promise<{ readonly count: number; readonly revision: number } | null> {
    if (known.revision >= head) return known;
    if (head - known.revision > LAG) return null;
    const entries = await allEntriesUpTo(this.#table, { after: known.revision, head, limit: LAG });
    const count = entries.length === head - known.revision ? countAfter(known, entries, of) : null;
    return count === null ? null : { count, revision: head };
  }

  /** From the index and the log. The head is read last: what is listed was written before. */
  async #counted(of: Counted): Promise<{ readonly count: number; readonly revision: number }> {
    const listed = new Set<string>();
    const range = listRange(of.kind, of.account, {});
    if (range !== null)
      for await (const items of this.#table.pages(range, "index"))
        for (const item of items)
          listed.add(nameOfListKey(textOf(item, TABLE_DEFINITION.index.sortKey) ?? ""));
    const revision = await headOf(this.#table);
    const after = Math.max(0, revision - LAG);
    const entries =
      revision === 0 ? [] : await allEntriesUpTo(this.#table, { after, head: revision, limit: LAG });
    return { count: idsWithLog(listed, entries, of).size, revision };
  }
}

const countedBy = ({ record: { kind }, account }: Commit): Counted => ({ kind, account });
const keyOf = ({ kind, account }: Counted): string => `${kind} ${account}`;
