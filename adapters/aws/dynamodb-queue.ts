import { Unavailable } from "../../core/errors.ts";
import type { LookWith, OfferedWrite, WriterLine, WriterQueue } from "../../core/store/store.ts";
import { offeredText, readOffered } from "../../core/store/stored-record.ts";
import { feedEntryOf } from "./dynamodb-log.ts";
import {
  ABSENT,
  type Action,
  type Condition,
  type DynamoDbTable,
  type Item,
  keyItem,
  numberOf,
  sortKeyOf,
  textOf,
} from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { HEAD_KEY, logKey, offerKey, offersRange, QUEUE_KEY, ticketOf } from "./table-keys.ts";

/** Tickets of writers that have left are forgotten once so many of them are behind the one served. */
const FORGOTTEN_AT = 100;
/** More find no room in one transaction. */
const OFFERS_AT_ONCE = 25;
/**
 * A larger one would leave little room for others: a transaction takes 4 MB, and has each offer in it up to
 * three times.
 */
const MAX_OFFER_BYTES = 32_768;
/** Long after its writer has ended. */
const OFFER_KEPT_SECONDS = 3_600;
const WITHDRAW_TRIES = 5;

/**
 * The order of writers in two items, and an item for each write that is offered. The ticket served lies in
 * the head's item, where a commit marks it at no further cost. Tickets lie in another one: an update of the
 * head would cancel transactions that are at it.
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

  async line({ entry, offer }: LookWith = {}): Promise<WriterLine> {
    const items = await this.#table.getAll([
      HEAD_KEY,
      QUEUE_KEY,
      ...(entry === undefined ? [] : [logKey(entry)]),
      ...(offer === undefined ? [] : [offerKey(offer)]),
    ]);
    const at = (sk: string): Item | undefined => items.find((item) => sortKeyOf(item) === sk);
    const [head, queue] = [at(HEAD_KEY.sk), at(QUEUE_KEY.sk)];
    return {
      head: numberOf(head, "head") ?? 0,
      served: numberOf(head, "served") ?? 0,
      taken: numberOf(queue, "taken") ?? 0,
      left: new Set(ticketsIn(queue)),
      entry: items.flatMap(feedEntryOf)[0] ?? null,
      storedAt: offer === undefined ? null : (numberOf(at(offerKey(offer).sk), STORED_AT) ?? null),
    };
  }

  async leave(ticket: number): Promise<void> {
    const added = await this.#table.update(QUEUE_KEY, "ADD gone :tickets", setOf([ticket]));
    if (ticketsIn(added).length < FORGOTTEN_AT) return;
    const { served, left } = await this.line();
    const old = [...left].filter((each) => each <= served);
    if (old.length > 0) await this.#table.update(QUEUE_KEY, "DELETE gone :tickets", setOf(old));
  }

  async offer({ ticket, commit }: OfferedWrite): Promise<boolean> {
    const json = offeredText(commit);
    if (Buffer.byteLength(json) > MAX_OFFER_BYTES) return false;
    const expiresAt = Math.floor(Date.parse(commit.at) / 1000) + OFFER_KEPT_SECONDS;
    // Repeated after an answer that was lost, it must not offer again what was stored meanwhile.
    const item = {
      ...keyItem(offerKey(ticket)),
      json: { S: json },
      [TABLE_DEFINITION.timeToLive]: { N: String(expiresAt) },
    };
    await this.#table.putIf(item, ABSENT);
    return true;
  }

  async offersAfter(ticket: number): Promise<readonly OfferedWrite[]> {
    const items = await this.#table.page(offersRange(ticket + 1, ticket + OFFERS_AT_ONCE), OFFERS_AT_ONCE);
    return items.flatMap((item) => {
      const commit = readOffered(textOf(item, "json"));
      return commit === null ? [] : [{ ticket: ticketOf(sortKeyOf(item)), commit }];
    });
  }

  async withdraw(ticket: number): Promise<number | null> {
    const key = offerKey(ticket);
    for (let tries = 0; tries < WITHDRAW_TRIES; tries += 1) {
      const cancelled = await this.#table.transact([
        { update: key, set: "REMOVE json", condition: IS_OFFERED },
      ]);
      if (cancelled === null) return null;
      // It is stored, or was never there, or a transaction is at it: that has ended when this read answers.
      const item = await this.#table.getSettled(key);
      if (item === undefined) return null;
      const storedAt = numberOf(item, STORED_AT);
      if (storedAt !== undefined) return storedAt;
    }
    throw new Unavailable("it is unknown whether an offered write was stored");
  }
}

const STORED_AT = "storedAt";
const IS_OFFERED: Condition = { expression: `attribute_exists(json) AND attribute_not_exists(${STORED_AT})` };

/** Marks an open offer as stored, in the transaction that stores it. */
export const offerAction = (ticket: number, revision: number): Action => ({
  update: offerKey(ticket),
  set: `SET ${STORED_AT} = :revision REMOVE json`,
  condition: {
    ...IS_OFFERED,
    values: { ":revision": { N: String(revision) } },
  },
});

const ticketsIn = (item: Item | undefined): number[] => (item?.["gone"]?.NS ?? []).map(Number);

const setOf = (tickets: readonly number[]): Item => ({ ":tickets": { NS: tickets.map(String) } });
