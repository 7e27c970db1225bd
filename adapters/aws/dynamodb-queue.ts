import type { WriterLine, WriterQueue } from "../../core/settings/store.ts";
import { feedEntryOf } from "./dynamodb-log.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf } from "./dynamodb-table.ts";
import { HEAD_KEY, logKey, QUEUE_KEY } from "./table-keys.ts";

/** Tickets of writers that have left are forgotten once so many of them are behind the one served. */
const FORGOTTEN_AT = 100;

/**
 * The order of writers in two items. The ticket served lies in the head's item, where a commit marks it at no further cost.
 * Tickets lie in another one: an update of the head would cancel transactions that are at it.
 */
export class DynamoDbQueue implements WriterQueue {
  readonly #table: DynamoDbTable;

  constructor(table: DynamoDbTable) {
    this.#table = table;
  }

  /** Made twice, it skips a number, for which others wait as for a writer that has crashed. */
  async enter(): Promise<number> {
    const changed = await this.#table.update(QUEUE_KEY, "ADD taken :one", { ":one": { N: "1" } });
    const ticket = numberOf(changed, "taken");
    if (ticket === undefined) throw new TypeError("an update did not return what it has changed");
    return ticket;
  }

  async line(revision?: number): Promise<WriterLine> {
    const entryKey = revision === undefined ? [] : [logKey(revision)];
    const items = await this.#table.getAll([HEAD_KEY, QUEUE_KEY, ...entryKey]);
    const head = items.find((item) => sortKeyOf(item) === HEAD_KEY.sk);
    const queue = items.find((item) => sortKeyOf(item) === QUEUE_KEY.sk);
    return {
      head: numberOf(head, "head") ?? 0,
      served: numberOf(head, "served") ?? 0,
      taken: numberOf(queue, "taken") ?? 0,
      left: new Set(ticketsIn(queue)),
      entry: items.flatMap(feedEntryOf)[0] ?? null,
    };
  }

  async leave(ticket: number): Promise<void> {
    const added = await this.#table.update(QUEUE_KEY, "ADD gone :tickets", setOf([ticket]));
    if (ticketsIn(added).length < FORGOTTEN_AT) return;
    const { served, left } = await this.line();
    const old = [...left].filter((each) => each <= served);
    if (old.length > 0) await this.#table.update(QUEUE_KEY, "DELETE gone :tickets", setOf(old));
  }
}

const ticketsIn = (item: Item | undefined): number[] => (item?.["gone"]?.NS ?? []).map(Number);

const setOf = (tickets: readonly number[]): Item => ({ ":tickets": { NS: tickets.map(String) } });
