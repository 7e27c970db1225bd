/** The table behind the SDK: requests, conditions and pages, with errors as those of core/. */

import {
  type AttributeValue,
  BatchGetItemCommand,
  type BatchGetItemCommandInput,
  type BatchGetItemCommandOutput,
  BatchWriteItemCommand,
  type CancellationReason,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactionConflictException,
  type TransactWriteItem,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { mapAtMost } from "./at-most.ts";
import { type ServiceCalls, TryAgain } from "./service-calls.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import type { ItemKey, KeyRange } from "./table-keys.ts";

export type Item = Readonly<Record<string, AttributeValue>>;
type KeyAttributes = Record<string, AttributeValue>;

/** What a transaction does; the table's name is added. */
export type Action =
  | { readonly put: Item; readonly condition?: Condition }
  | { readonly update: ItemKey; readonly set: string; readonly condition: Condition }
  | { readonly delete: ItemKey; readonly condition?: Condition }
  | { readonly check: ItemKey; readonly condition: Condition };

/** A transaction that was not done. */
export interface Cancelled {
  /** For each action, in their order. */
  readonly reasons: readonly CancellationReason[];
  /** false = a try before had no answer, and may have done what this one found done. */
  readonly isCertain: boolean;
}

export interface Condition {
  readonly expression: string;
  readonly values?: Item;
}

/** No item exists under the key. */
export const ABSENT: Condition = { expression: `attribute_not_exists(${TABLE_DEFINITION.partitionKey})` };

/** The limits of DynamoDB's own requests. */
const ITEMS_IN_BATCH_GET = 100;
const ITEMS_IN_BATCH_WRITE = 25;
const REQUESTS_AT_ONCE = 8;
const THROTTLED: ReadonlySet<string | undefined> = new Set([
  "ThrottlingError",
  "ProvisionedThroughputExceeded",
]);

/** The table by its requests: strongly consistent reads, and every call inside its deadline. */
export class DynamoDbTable {
  readonly #client: DynamoDBClient;
  readonly #name: string;
  readonly #calls: ServiceCalls;

  constructor(client: DynamoDBClient, name: string, calls: ServiceCalls) {
    this.#client = client;
    this.#name = name;
    this.#calls = calls;
  }

  /** The region whose replica of the table this is. */
  region(): Promise<string> {
    return this.#client.config.region();
  }

  async get(key: ItemKey): Promise<Item | undefined> {
    const command = { TableName: this.#name, Key: keyItem(key), ConsistentRead: true };
    const { Item: item } = await this.#calls.call((abortSignal) =>
      this.#client.send(new GetItemCommand(command), { abortSignal }),
    );
    return item;
  }

  /**
   * One item as no running transaction can have half changed it: what any other read saw of a transaction
   * before is in here too. Costs twice a `get`.
   */
  async getSettled(key: ItemKey): Promise<Item | undefined> {
    const [item] = await this.getAllSettled([key]);
    return item;
  }

  /** The same for several, all as they are at one moment; undefined = absent. At most 100, each once. */
  async getAllSettled(keys: readonly ItemKey[]): Promise<readonly (Item | undefined)[]> {
    const gets = keys.map((key) => ({ Get: { TableName: this.#name, Key: keyItem(key) } }));
    const command = { TransactItems: gets };
    const { Responses: responses = [] } = await this.#calls.call(async (abortSignal) => {
      try {
        return await this.#client.send(new TransactGetItemsCommand(command), { abortSignal });
      } catch (error) {
        // A transaction on the item is running: it has ended a moment later.
        if (!(error instanceof TransactionCanceledException)) throw error;
        throw new TryAgain("another transaction is at this item", { cause: error });
      }
    });
    return keys.map((_, index) => responses[index]?.Item);
  }

  /** The items that exist, in no order. */
  async getAll(keys: readonly ItemKey[]): Promise<Item[]> {
    // DynamoDB refuses a batch that names an item twice.
    const distinct = [...new Map(keys.map((key) => [`${key.pk} ${key.sk}`, key])).values()];
    const batches = await mapAtMost(REQUESTS_AT_ONCE, chunks(distinct, ITEMS_IN_BATCH_GET), (chunk) =>
      this.#getBatch(chunk.map(keyItem)),
    );
    return batches.flat();
  }

  /** The first items of a range, or the last, at most `limit`, and no more than one request reads (1 MB). */
  async page(
    range: KeyRange,
    limit: number,
    order: "first-first" | "last-first" = "first-first",
  ): Promise<readonly Item[]> {
    const { items } = await this.#query({ range, limit, backwards: order === "last-first" });
    return items;
  }

  /** The first items of a range: `limit` of them where there are so many. */
  async first(range: KeyRange, limit: number, from: "table" | "index" = "table"): Promise<readonly Item[]> {
    const found: Item[] = [];
    let start: Item | undefined;
    do {
      const left = limit - found.length;
      const { items, last } = await this.#query({ range, limit: left, index: from === "index", start });
      found.push(...items);
      start = last;
    } while (start !== undefined && found.length < limit);
    return found;
  }

  /** All items of a range, a request at a time. */
  async *pages(range: KeyRange, from: "table" | "index" = "table"): AsyncGenerator<readonly Item[], void> {
    let start: Item | undefined;
    do {
      const { items, last } = await this.#query({ range, index: from === "index", start });
      yield items;
      start = last;
    } while (start !== undefined);
  }

  /**
   * @param expression of an update that may be made twice.
   * @returns the attributes that it has changed, as they are now.
   */
  async update(key: ItemKey, expression: string, values: Item): Promise<Item> {
    const command = {
      TableName: this.#name,
      Key: keyItem(key),
      UpdateExpression: expression,
      ExpressionAttributeValues: values,
      ReturnValues: "UPDATED_NEW",
    } as const;
    const { Attributes: changed = {} } = await this.#calls.call((abortSignal) =>
      this.#client.send(new UpdateItemCommand(command), { abortSignal }),
    );
    return changed;
  }

  async put(item: Item): Promise<void> {
    const command = { TableName: this.#name, Item: item };
    await this.#calls.call((abortSignal) => this.#client.send(new PutItemCommand(command), { abortSignal }));
  }

  /** @returns false where the condition does not hold: maybe since a try without an answer wrote the item. */
  async putIf(item: Item, { expression, values }: Condition): Promise<boolean> {
    const command = {
      TableName: this.#name,
      Item: item,
      ConditionExpression: expression,
      ...(values === undefined ? {} : { ExpressionAttributeValues: values }),
    };
    const refusals = [ConditionalCheckFailedException.name, TransactionConflictException.name];
    try {
      const send = new PutItemCommand(command);
      await this.#calls.call((abortSignal) => this.#client.send(send, { abortSignal }), refusals);
      return true;
    } catch (error) {
      if (error instanceof Error && refusals.includes(error.name)) return false;
      throw error;
    }
  }

  async delete(key: ItemKey): Promise<void> {
    const command = { TableName: this.#name, Key: keyItem(key) };
    await this.#calls.call((abortSignal) =>
      this.#client.send(new DeleteItemCommand(command), { abortSignal }),
    );
  }

  async putAll(items: readonly Item[]): Promise<void> {
    for (const chunk of chunks(items, ITEMS_IN_BATCH_WRITE)) await this.#putBatch(chunk);
  }

  /**
   * All actions or none.
   *
   * @returns null when they were done; otherwise this request did nothing.
   */
  async transact(actions: readonly Action[]): Promise<Cancelled | null> {
    const items = actions.map((action) => this.#transactItem(action));
    // A try without an answer is repeated under the same token: DynamoDB does it once (for 10 minutes). A try
    // that was cancelled did nothing, and the next is another request.
    let token = randomUUID();
    let isCertain = true;
    return this.#calls.call(async (abortSignal) => {
      try {
        const command = { TransactItems: items, ClientRequestToken: token };
        await this.#client.send(new TransactWriteItemsCommand(command), { abortSignal });
        return null;
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) {
          isCertain = false;
          throw error;
        }
        const reasons = error.CancellationReasons ?? [];
        token = randomUUID();
        if (isThrottled(reasons)) throw new TryAgain("throttled", { cause: error });
        return { reasons, isCertain };
      }
    });
  }

  async #query(query: {
    readonly range: KeyRange;
    readonly limit?: number | undefined;
    readonly index?: boolean;
    readonly start?: Item | undefined;
    readonly backwards?: boolean;
  }): Promise<{ readonly items: readonly Item[]; readonly last: Item | undefined }> {
    const { pk, from, to } = query.range;
    const { partitionKey, sortKey } = query.index === true ? TABLE_DEFINITION.index : TABLE_DEFINITION;
    const command = {
      TableName: this.#name,
      ...(query.index === true ? { IndexName: TABLE_DEFINITION.index.name } : { ConsistentRead: true }),
      KeyConditionExpression: "#pk = :pk AND #sk BETWEEN :from AND :to",
      ExpressionAttributeNames: { "#pk": partitionKey, "#sk": sortKey },
      ExpressionAttributeValues: { ":pk": { S: pk }, ":from": { S: from }, ":to": { S: to } },
      ...(query.limit === undefined ? {} : { Limit: query.limit }),
      ...(query.start === undefined ? {} : { ExclusiveStartKey: query.start }),
      ...(query.backwards === true ? { ScanIndexForward: false } : {}),
    };
    const { Items: items = [], LastEvaluatedKey: last } = await this.#calls.call((abortSignal) =>
      this.#client.send(new QueryCommand(command), { abortSignal }),
    );
    return { items, last };
  }

  async #getBatch(keys: readonly KeyAttributes[]): Promise<Item[]> {
    const found: Item[] = [];
    // Each answer holds at least one item, or the request fails as throttled.
    for (let waiting = keys; waiting.length > 0; ) {
      const request = { [this.#name]: { Keys: [...waiting], ConsistentRead: true } };
      const { Responses: responses, UnprocessedKeys: unprocessed } = await this.#sendBatchGet(request);
      found.push(...(responses?.[this.#name] ?? []));
      waiting = unprocessed?.[this.#name]?.Keys ?? [];
    }
    return found;
  }

  #sendBatchGet(request: BatchGetItemCommandInput["RequestItems"]): Promise<BatchGetItemCommandOutput> {
    return this.#calls.call((abortSignal) =>
      this.#client.send(new BatchGetItemCommand({ RequestItems: request }), { abortSignal }),
    );
  }

  async #putBatch(items: readonly Item[]): Promise<void> {
    let waiting = items.map((item) => ({ PutRequest: { Item: { ...item } } }));
    while (waiting.length > 0) {
      const request = { [this.#name]: waiting };
      const answer = await this.#calls.call((abortSignal) =>
        this.#client.send(new BatchWriteItemCommand({ RequestItems: request }), { abortSignal }),
      );
      waiting = (answer.UnprocessedItems?.[this.#name] ?? []).flatMap(({ PutRequest }) =>
        PutRequest?.Item === undefined ? [] : [{ PutRequest: { Item: PutRequest.Item } }],
      );
    }
  }

  #transactItem(action: Action): TransactWriteItem {
    const condition = action.condition;
    const rest = {
      TableName: this.#name,
      ...(condition === undefined ? {} : { ConditionExpression: condition.expression }),
      ...(condition?.values === undefined ? {} : { ExpressionAttributeValues: condition.values }),
      ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const,
    };
    if ("put" in action) return { Put: { ...rest, Item: action.put } };
    if ("delete" in action) return { Delete: { ...rest, Key: keyItem(action.delete) } };
    if ("update" in action) {
      return { Update: { ...rest, Key: keyItem(action.update), UpdateExpression: action.set } };
    }
    return {
      ConditionCheck: {
        ...rest,
        Key: keyItem(action.check),
        ConditionExpression: action.condition.expression,
      },
    };
  }
}

export const keyItem = ({ pk, sk }: ItemKey): KeyAttributes => ({
  [TABLE_DEFINITION.partitionKey]: { S: pk },
  [TABLE_DEFINITION.sortKey]: { S: sk },
});

export function keyOf(action: Action): ItemKey {
  if ("update" in action) return action.update;
  if ("delete" in action) return action.delete;
  if ("check" in action) return action.check;
  return { pk: textOf(action.put, TABLE_DEFINITION.partitionKey) ?? "", sk: sortKeyOf(action.put) };
}

export const textOf = (item: Item | undefined, attribute: string): string | undefined => item?.[attribute]?.S;

/** undefined when the attribute is absent or no number. */
export function numberOf(item: Item | undefined, attribute: string): number | undefined {
  const text = item?.[attribute]?.N;
  return text === undefined ? undefined : Number(text);
}

export const sortKeyOf = (item: Item): string => textOf(item, TABLE_DEFINITION.sortKey) ?? "";

/** Throttled and nothing else: a condition that failed fails again. */
function isThrottled(reasons: readonly CancellationReason[]): boolean {
  const codes = reasons.map(({ Code }) => Code).filter((code) => code !== undefined && code !== "None");
  return codes.length > 0 && codes.every((code) => THROTTLED.has(code));
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
