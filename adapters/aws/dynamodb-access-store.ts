import { randomInt } from "node:crypto";
import { type AccessKind, readAccessRecord } from "../../core/access/access-record.ts";
import { type AccessPage, type AccessStore, REVISION_RANGE } from "../../core/access/access-store.ts";
import type { Timestamp } from "../../core/clock.ts";
import { Unreadable } from "../../core/errors.ts";
import type { PageRequest } from "../../core/store/store.ts";
import {
  ABSENT,
  type Condition,
  type DynamoDbTable,
  type Item,
  keyItem,
  numberOf,
  textOf,
} from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { accessKey, accessListRange, listKeyOf, nameOfListKey } from "./table-keys.ts";

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
    if (await this.#table.putIf(item, expected === null ? ABSENT : atRevision(expected))) return revision;
    // A first try whose answer was lost may have written it.
    return numberOf(await this.#table.get(key), "revision") === revision ? revision : null;
  }

  async delete<R>(kind: AccessKind<R>, id: string, expected: number): Promise<boolean> {
    const action = { delete: accessKey(kind.kind, id), condition: atRevision(expected) };
    return (await this.#table.transact([action])) === null;
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

const atRevision = (expected: number): Condition => ({
  expression: "revision = :expected",
  values: { ":expected": { N: String(expected) } },
});

const idOfItem = (kind: AccessKind<never>["kind"], item: Item): string =>
  (textOf(item, TABLE_DEFINITION.partitionKey) ?? "").slice(accessKey(kind, "").pk.length);
