import { TABLE_DEFINITION } from "../../../adapters/aws/table-definition.ts";
import type { AwsRequest } from "./aws-request.ts";
import type { Ask } from "./judge.ts";
import { Unmapped } from "./policy.ts";

type Members = Readonly<Record<string, unknown>>;
type Attributes = Readonly<Record<string, { readonly S?: string }>>;

interface ItemRequest extends Members {
  readonly TableName: string;
  readonly IndexName?: string;
  readonly Key?: Attributes;
  readonly Item?: Attributes;
  readonly KeyConditionExpression?: string;
  readonly ExpressionAttributeNames?: Readonly<Record<string, string>>;
  readonly ExpressionAttributeValues?: Attributes;
}

const SINGLE: ReadonlySet<string> = new Set(["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"]);

/**
 * Which permission each member of a transaction needs (transaction-apis-iam.html of DynamoDB's developer
 * guide).
 */
const IN_TRANSACTION: Readonly<Record<string, string>> = {
  Get: "GetItem",
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "ConditionCheckItem",
};

/** @throws Unmapped */
export function askedOfDynamoDb(request: AwsRequest): readonly Ask[] {
  const { operation } = request;
  const body = JSON.parse(request.body.toString()) as Members;
  const ask = (action: string, item: ItemRequest, enclosing: string | null): Ask =>
    askFor(request, { action, arn: arnOf(request, item), keys: [leadingKeyOf(item)], enclosing });
  if (SINGLE.has(operation)) return [ask(operation, body as ItemRequest, null)];
  switch (operation) {
    case "BatchGetItem":
    case "BatchWriteItem":
      return batchOf(request, body["RequestItems"] as Readonly<Record<string, unknown>>);
    case "TransactGetItems":
    case "TransactWriteItems":
      return (body["TransactItems"] as readonly Members[]).flatMap((item) =>
        Object.entries(item).map(([kind, part]) => {
          const action = IN_TRANSACTION[kind];
          if (action === undefined) throw new Unmapped(`${kind} in ${operation}`);
          return ask(action, part as ItemRequest, operation);
        }),
      );
    default:
      throw new Unmapped(`dynamodb ${operation}`);
  }
}

/** One permission a table, for all of its keys together. */
const batchOf = (request: AwsRequest, tables: Readonly<Record<string, unknown>>): readonly Ask[] =>
  Object.entries(tables).map(([TableName, entries]) => {
    const items =
      request.operation === "BatchGetItem"
        ? (entries as { readonly Keys: readonly Attributes[] }).Keys.map((Key) => ({ TableName, Key }))
        : (entries as readonly Readonly<Record<string, Members>>[]).flatMap((entry) =>
            Object.values(entry).map((part) => ({ ...part, TableName })),
          );
    const keys = items.map((item) => leadingKeyOf(item));
    return askFor(request, {
      action: request.operation,
      arn: arnOf(request, { TableName }),
      keys,
      enclosing: null,
    });
  });

interface Asked {
  readonly action: string;
  readonly arn: string;
  readonly keys: readonly string[];
  readonly enclosing: string | null;
}

const askFor = ({ common }: AwsRequest, { action, arn, keys, enclosing }: Asked): Ask => ({
  action: `dynamodb:${action}`,
  resource: arn,
  context: {
    ...common,
    "dynamodb:leadingkeys": [...new Set(keys)],
    "dynamodb:enclosingoperation": enclosing,
  },
});

function arnOf({ arn }: AwsRequest, { TableName: name, IndexName: index }: ItemRequest): string {
  const table = name.startsWith("arn:") ? name : arn("dynamodb", `table/${name}`);
  return index === undefined ? table : `${table}/index/${index}`;
}

/** The value of the partition key that a request is about: of the table, or of the index that it queries. */
function leadingKeyOf(item: ItemRequest): string {
  const name =
    item.IndexName === TABLE_DEFINITION.index.name
      ? TABLE_DEFINITION.index.partitionKey
      : TABLE_DEFINITION.partitionKey;
  const value = (item.Key ?? item.Item)?.[name]?.S ?? queriedKeyOf(item, name);
  if (value === undefined) throw new Unmapped(`a request whose partition key ${name} is not seen`);
  return value;
}

function queriedKeyOf(
  { KeyConditionExpression, ExpressionAttributeNames = {}, ExpressionAttributeValues = {} }: ItemRequest,
  partitionKey: string,
): string | undefined {
  for (const [, name = "", value = ""] of KeyConditionExpression?.matchAll(/([#\w]+)\s*=\s*(:\w+)/gu) ?? [])
    if ((ExpressionAttributeNames[name] ?? name) === partitionKey) return ExpressionAttributeValues[value]?.S;
  return undefined;
}
