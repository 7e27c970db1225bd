import { randomInt } from "node:crypto";
import { type AccessKind, readAccessRecord } from "../../core/access/access-record.ts";
import {
  type AccessPage,
  type AccessStore,
  checkRoom,
  REVISION_RANGE,
} from "../../core/access/access-store.ts";
import type { Timestamp } from "../../core/clock.ts";
import { Unavailable, Unreadable } from "../../core/errors.ts";
import type { PageRequest } from "../../core/store/store.ts";
import {
  ABSENT,
  type Action,
  type Condition,
  type DynamoDbTable,
  type Item,
  keyItem,
  numberOf,
  textOf,
} from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import {
  accessCountKey,
  accessKey,
  accessListRange,
  type ItemKey,
  listKeyOf,
  nameOfListKey,
} from "./table-keys.ts";

/** Accounts, tokens and principals, one partition for each. */
export class DynamoDbAccessStore implements AccessStore {
  readonly #table: DynamoDbTable;

  constructor(table: DynamoDbTable) {
    this.#table = table;
  }

  async get<R>(kind: AccessKind<R>, id: string): Promise<R | null> {
    const item = await this.#table.get(accessKey(kind.kind, id));
    return item === undefined ? null : readAccessRecord(kind, id, textOf(item, "json") ?? "");
  }

  /** One page of the index; the records are read from the table, so that they are never older than it. */
  async list<R>(kind: AccessKind<R>, account: string, { limit, after }: PageRequest): Promise<AccessPage<R>> {
    const range = accessListRange(kind.kind, account, after);
    // One more than requested shows whether there is a next page.
    const found = await this.#table.first(range, limit + 1, "index");
    const ids = found.map((item) => nameOfListKey(textOf(item, TABLE_DEFINITION.index.sortKey) ?? ""));
    const shown = ids.slice(0, limit);
    const next = ids.length > limit ? (shown.at(-1) ?? null) : null;
    return { ...(await this.#records(kind, { account, ids: shown })), next };
  }

  async put<R extends { readonly revision: number }>(
    kind: AccessKind<R>,
    record: R,
    expected: number | null,
  ): Promise<number | null> {
    if (expected === null) return this.create(kind, record, null);
    const { key, item, revision } = written(kind, record);
    if (await this.#table.putIf(item, atRevision(expected))) return revision;
    // A first try whose answer was lost may have written it.
    return numberOf(await this.#table.get(key), "revision") === revision ? revision : null;
  }

  async create<R extends { readonly revision: number }>(
    kind: AccessKind<R>,
    record: R,
    most: number | null,
  ): Promise<number | null> {
    const { key, item, revision } = written(kind, record);
    const counter = counterOf(kind, listKeyOf(kind.accountOf(record), kind.idOf(record)));
    for (let tries = 0; tries < CREATE_TRIES; tries += 1) {
      if (most !== null || tries > 0) checkRoom(kind, { most, count: await this.#count(counter) });
      const cancelled = await this.#table.transact([
        { put: item, condition: ABSENT },
        ...(counter === null ? [] : [countAction(counter, 1, most)]),
      ]);
      if (cancelled === null) return revision;
      if (cancelled.reasons[0]?.Code === "ConditionalCheckFailed")
        // A first try whose answer was lost may have written it.
        return numberOf(await this.#table.get(key), "revision") === revision ? revision : null;
    }
    throw new Unavailable("the records of the account are changed again and again");
  }

  async #count(counter: ItemKey | null): Promise<number> {
    // Another transaction may be at it: that has ended when this read answers.
    return counter === null ? 0 : (numberOf(await this.#table.getSettled(counter), "records") ?? 0);
  }

  async delete<R>(kind: AccessKind<R>, id: string, expected: number): Promise<boolean> {
    const key = accessKey(kind.kind, id);
    const action = { delete: key, condition: atRevision(expected) };
    const counter = await this.#counterOf(kind, key);
    const counted = counter === null ? [] : [countAction(counter, -1, null)];
    return (await this.#table.transact([action, ...counted])) === null;
  }

  /** Also of a record that cannot be read. */
  async #counterOf(kind: Pick<AccessKind<never>, "kind">, key: ItemKey): Promise<ItemKey | null> {
    const listKey = textOf(await this.#table.get(key), TABLE_DEFINITION.index.sortKey);
    return listKey === undefined ? null : counterOf(kind, listKey);
  }

  async markUsed(tokenId: string, at: Timestamp): Promise<void> {
    // As a transaction: an update without its condition would make an item of a token that was deleted.
    const condition = {
      expression: `attribute_exists(${TABLE_DEFINITION.partitionKey}) AND (attribute_not_exists(lastUsedAt) OR lastUsedAt < :at)`,
      values: { ":at": { S: at } },
    };
    await this.#table.transact([
      { update: accessKey("token", tokenId), set: "SET lastUsedAt = :at", condition },
    ]);
  }

  async lastUsed(tokenIds: readonly string[]): Promise<ReadonlyMap<string, Timestamp>> {
    const items = await this.#table.getAll(tokenIds.map((id) => accessKey("token", id)));
    return new Map(
      items.flatMap((item) => {
        const lastUsedAt = textOf(item, "lastUsedAt");
        return lastUsedAt === undefined ? [] : [[idOfItem("token", item), lastUsedAt] as const];
      }),
    );
  }

  async #records<R>(
    kind: AccessKind<R>,
    { account, ids }: { readonly account: string; readonly ids: readonly string[] },
  ): Promise<Omit<AccessPage<R>, "next">> {
    const found = await this.#table.getAll(ids.map((id) => accessKey(kind.kind, id)));
    const byId = new Map(found.map((item) => [idOfItem(kind.kind, item), item]));
    const items: R[] = [];
    const unreadable: { id: string; problem: string }[] = [];
    for (const id of ids) {
      const item = byId.get(id);
      if (item === undefined) continue;
      try {
        const record = readAccessRecord(kind, id, textOf(item, "json") ?? "");
        // The index may lag behind a record that has passed to another account.
        if (kind.accountOf(record) === account) items.push(record);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        unreadable.push({ id, problem: error.message });
      }
    }
    return { items, unreadable };
  }
}

const CREATE_TRIES = 5;

/** The record under a new revision. */
function written<R extends { readonly revision: number }>(kind: AccessKind<R>, record: R) {
  const id = kind.idOf(record);
  const key = accessKey(kind.kind, id);
  const revision = randomInt(REVISION_RANGE.from, REVISION_RANGE.below);
  const item = {
    ...keyItem(key),
    [TABLE_DEFINITION.index.partitionKey]: { S: kind.kind },
    [TABLE_DEFINITION.index.sortKey]: { S: listKeyOf(kind.accountOf(record), id) },
    revision: { N: String(revision) },
    json: { S: JSON.stringify({ ...record, revision }) },
  };
  return { key, item, revision };
}

/** Of the kind that has a quota; null = records of this kind are not counted. */
const counterOf = ({ kind }: Pick<AccessKind<never>, "kind">, listKey: string): ItemKey | null =>
  kind === "token" ? accessCountKey(kind, listKey) : null;

/** Counts a record that the same transaction adds or deletes. */
function countAction(counter: ItemKey, delta: number, most: number | null): Action {
  const values = { ":delta": { N: String(delta) } };
  const bound = most === null ? "attribute_exists(records)" : "records < :most";
  return {
    update: counter,
    set: "ADD records :delta",
    condition: {
      expression: `attribute_not_exists(records) OR ${bound}`,
      values: most === null ? values : { ...values, ":most": { N: String(most) } },
    },
  };
}

const atRevision = (expected: number): Condition => ({
  expression: "revision = :expected",
  values: { ":expected": { N: String(expected) } },
});

const idOfItem = (kind: AccessKind<never>["kind"], item: Item): string =>
  (textOf(item, TABLE_DEFINITION.partitionKey) ?? "").slice(accessKey(kind, "").pk.length);
