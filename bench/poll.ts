import { cpus } from "node:os";
import { BatchWriteItemCommand, type DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { createDynamoDbClient } from "../adapters/aws/aws-clients.ts";
import { DynamoDbStore } from "../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable, type Item, keyItem } from "../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../adapters/aws/service-calls.ts";
import { TABLE_DEFINITION } from "../adapters/aws/table-definition.ts";
import { HEAD_KEY, listKeyOf, recordKey } from "../adapters/aws/table-keys.ts";
import type { DomainRecord } from "../core/record/domain.ts";
import type { Store } from "../core/store/store.ts";
import { Writer } from "../test/contract/store-under-test.ts";
import { startEmulators } from "../test/support/aws/start-emulators.ts";
import { createTestTable } from "../test/support/aws/test-table.ts";
import { certificateId, certificateRecord, domainRecord } from "../test/support/records.ts";

/*
 * Read units of the store on DynamoDB Local, as it counts them: `node bench/poll.ts [domains …]` (10 10000
 * 100000). Prints one JSON line for each size: polls, a list page, a full load, and what a write reads before
 * its transaction. Exits non-zero when a poll without news costs more at one size than at another.
 *
 * Write units are not measured: DynamoDB Local counts 6 for a transaction of 7 actions, AWS 2 for each begun
 * KB of each.
 */
const SIZES = process.argv.slice(2).map(Number);
const PAGE = 25;
const PAGES_AT_ONCE = 4;

/** Read units since the last call, and actions of transactions. */
interface Meter {
  take(): { readonly readUnits: number; readonly requests: number; readonly writeActions: number };
}

/** Requests the consumed capacity of every request, and sums it. */
function meterOf(client: DynamoDBClient): Meter {
  let taken = { readUnits: 0, requests: 0, writeActions: 0 };
  client.middlewareStack.add(
    (next) => async (request) => {
      Object.assign(request.input, { ReturnConsumedCapacity: "TOTAL" });
      const result = await next(request);
      taken.requests += 1;
      if ("TransactItems" in request.input && "ClientRequestToken" in request.input) {
        taken.writeActions += request.input.TransactItems?.length ?? 0;
      } else for (const { CapacityUnits: units } of consumedBy(result.output)) taken.readUnits += units ?? 0;
      return result;
    },
    { step: "initialize", name: "posternMeter" },
  );
  return {
    take: () => {
      const last = taken;
      taken = { readUnits: 0, requests: 0, writeActions: 0 };
      return last;
    },
  };
}

interface Capacity {
  readonly CapacityUnits?: number;
}

function consumedBy(output: object): readonly Capacity[] {
  const consumed: unknown = Reflect.get(output, "ConsumedCapacity");
  if (consumed === undefined || consumed === null) return [];
  return (Array.isArray(consumed) ? consumed : [consumed]) as readonly Capacity[];
}

const domain = (n: number): DomainRecord =>
  domainRecord({
    name: `d${n}.example.net`,
    mxHosts: [`mx${n % 1000}.example.net`],
    server: { level: "require" },
  });

function itemOf(record: DomainRecord): Item {
  return {
    ...keyItem(recordKey("domain", record.name)),
    revision: { N: "1" },
    json: { S: JSON.stringify(record) },
    [TABLE_DEFINITION.index.partitionKey]: { S: "domain" },
    [TABLE_DEFINITION.index.sortKey]: { S: listKeyOf(record.account, record.name) },
  };
}

/** Writes directly into the table: 100,000 commits would take an hour. */
async function seed(client: DynamoDBClient, table: string, count: number): Promise<void> {
  const starts = Array.from({ length: Math.ceil(count / PAGE) }, (_, index) => index * PAGE).values();
  const work = async (): Promise<void> => {
    for (const start of starts) {
      const numbers = Array.from({ length: Math.min(PAGE, count - start) }, (_, index) => start + index);
      const requests = numbers.map((n) => ({ PutRequest: { Item: { ...itemOf(domain(n)) } } }));
      await client.send(new BatchWriteItemCommand({ RequestItems: { [table]: requests } }));
    }
  };
  await Promise.all(Array.from({ length: PAGES_AT_ONCE }, work));
  await client.send(
    new PutItemCommand({ TableName: table, Item: { ...keyItem(HEAD_KEY), head: { N: "1" } } }),
  );
}

async function measure(store: Store, meter: Meter) {
  const cost = async (action: () => Promise<unknown>) => {
    meter.take();
    await action();
    return meter.take();
  };
  const writer = new Writer(store);
  const id = certificateId(1);
  await writer.putCertificate(certificateRecord({ id }));
  const head = await store.head();
  return {
    pollWithoutNews: await cost(() => store.changesAfter(head, 500)),
    writeOfOneDomain: await cost(() =>
      writer.putDomain({ name: "new.example", mxHosts: ["mx.example.org"], server: { certificateId: id } }),
    ),
    pollWithOneEntry: await cost(() => store.changesAfter(head, 500)),
    listOf50: await cost(() => store.listDomains({ account: "default" }, { limit: 50 })),
    fullLoad: await cost(() => store.loadAll()),
  };
}

const emulators = await startEmulators();
Object.assign(process.env, emulators.environment);
const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}, DynamoDB Local`;
try {
  const polls = new Set<number>();
  for (const domains of SIZES.length > 0 ? SIZES : [10, 10_000, 100_000]) {
    const table = await createTestTable();
    await seed(table.client, table.name, domains);
    const client = createDynamoDbClient();
    const meter = meterOf(client);
    const calls = new ServiceCalls("settings store", { tryMs: 60_000, deadlineMs: 600_000 });
    const costs = await measure(new DynamoDbStore(new DynamoDbTable(client, table.name, calls)), meter);
    polls.add(costs.pollWithoutNews.readUnits);
    process.stdout.write(`${JSON.stringify({ machine, domains, ...costs })}\n`);
    client.destroy();
    await table.delete();
  }
  if (polls.size > 1) process.exitCode = 1;
} finally {
  await emulators.stop();
}
