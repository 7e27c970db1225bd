import {
  type AttributeValue,
  DeleteItemCommand,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { TABLE_DEFINITION } from "../../../adapters/aws/table-definition.ts";
import type { TestTable } from "./test-table.ts";

type Item = Record<string, AttributeValue>;

/** One item as a write left it; null = deleted. */
export interface ItemChange {
  readonly key: string;
  readonly item: Item | null;
}

/**
 * What stands between two replicas of a global table: each item by itself, in the order that a test chooses.
 */
export interface Replication {
  /** What has changed in the source since the last call. */
  take(): Promise<readonly ItemChange[]>;
  /** Lets these arrive, one after the other. */
  deliver(changes: readonly ItemChange[]): Promise<void>;
}

export function replicationOf(source: TestTable, replica: TestTable): Replication {
  let known = new Map<string, Item>();
  return {
    take: async () => {
      const now = await itemsOf(source);
      const changes = [
        ...[...now]
          .filter(([key, item]) => JSON.stringify(known.get(key)) !== JSON.stringify(item))
          .map(([key, item]) => ({ key, item })),
        ...[...known.keys()].filter((key) => !now.has(key)).map((key) => ({ key, item: null })),
      ];
      known = now;
      return changes;
    },
    deliver: async (changes) => {
      for (const { key, item } of changes) {
        const [pk = "", sk = ""] = key.split(" ");
        const { partitionKey, sortKey } = TABLE_DEFINITION;
        const Key = { [partitionKey]: { S: pk }, [sortKey]: { S: sk } };
        await (item === null
          ? replica.client.send(new DeleteItemCommand({ TableName: replica.name, Key }))
          : replica.client.send(new PutItemCommand({ TableName: replica.name, Item: item })));
      }
    },
  };
}

async function itemsOf({ client, name }: TestTable): Promise<Map<string, Item>> {
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: name, ConsistentRead: true }));
  return new Map(items.map((item) => [`${item["pk"]?.S} ${item["sk"]?.S}`, sortedItem(item)]));
}

const sortedItem = (item: Item): Item =>
  Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)));
