import { randomUUID } from "node:crypto";
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  UpdateItemCommand,
  waitUntilTableExists,
} from "@aws-sdk/client-dynamodb";
import { keyItem } from "../../../adapters/aws/dynamodb-table.ts";
import { TABLE_DEFINITION } from "../../../adapters/aws/table-definition.ts";
import type { ItemKey } from "../../../adapters/aws/table-keys.ts";

export interface TestTable {
  readonly name: string;
  /** A client of the tests' own: nothing of the product is between it and the table. */
  readonly client: DynamoDBClient;
  /** Sets one attribute of an item that must be there. */
  set(key: ItemKey, attribute: string, value: { readonly S: string } | { readonly N: string }): Promise<void>;
  delete(): Promise<void>;
}

/** A separate table, as table-definition.ts has it. */
export async function createTestTable(
  name = `postern-test-${randomUUID()}`,
  options: { readonly region?: string } = {},
): Promise<TestTable> {
  const client = new DynamoDBClient(options);
  const { partitionKey, sortKey, index } = TABLE_DEFINITION;
  const keys = [partitionKey, sortKey, index.partitionKey, index.sortKey];
  const command = new CreateTableCommand({
    TableName: name,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: keys.map((key) => ({ AttributeName: key, AttributeType: "S" })),
    KeySchema: keySchema(TABLE_DEFINITION),
    GlobalSecondaryIndexes: [
      { IndexName: index.name, KeySchema: keySchema(index), Projection: { ProjectionType: "KEYS_ONLY" } },
    ],
  });
  await client.send(command);
  await waitUntilTableExists({ client, maxWaitTime: 60, minDelay: 1 }, { TableName: name });
  return {
    name,
    client,
    set: async (key, attribute, value) => {
      await client.send(
        new UpdateItemCommand({
          TableName: name,
          Key: keyItem(key),
          UpdateExpression: "SET #attribute = :value",
          ConditionExpression: "attribute_exists(pk)",
          ExpressionAttributeNames: { "#attribute": attribute },
          ExpressionAttributeValues: { ":value": value },
        }),
      );
    },
    delete: async () => {
      await client.send(new DeleteTableCommand({ TableName: name }));
      client.destroy();
    },
  };
}

function keySchema({ partitionKey, sortKey }: { readonly partitionKey: string; readonly sortKey: string }) {
  return [
    { AttributeName: partitionKey, KeyType: "HASH" as const },
    { AttributeName: sortKey, KeyType: "RANGE" as const },
  ];
}
