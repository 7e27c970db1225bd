import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLIENT_OPTIONS, createDynamoDbClient } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbAccessStore } from "../../adapters/aws/dynamodb-access-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { accessKey } from "../../adapters/aws/table-keys.ts";
import { ACCOUNTS, NO_QUOTAS } from "../../core/access/access-record.ts";
import { Unavailable } from "../../core/errors.ts";
import { accessStoreContract } from "../contract/access-store.contract.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy, describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

const AT = "2026-11-29T03:00:00.000Z";
const TENANT = {
  revision: 0,
  createdAt: AT,
  createdBy: "tester",
  updatedAt: AT,
  updatedBy: "tester",
  name: "tenant",
  label: null,
  quotas: NO_QUOTAS,
};

describeOnAws("on AWS", () => {
  accessStoreContract({
    name: "DynamoDB",
    create: async () => {
      const table = await createTestTable();
      const client = createDynamoDbClient();
      const open = () =>
        new DynamoDbAccessStore(new DynamoDbTable(client, table.name, new ServiceCalls("store")));
      return {
        store: open(),
        other: open(),
        spoil: (kind, id) => table.set(accessKey(kind, id), "json", { S: "{" }),
        close: async () => {
          client.destroy();
          await table.delete();
        },
      };
    },
  });
});

describeBehindProxy("access on DynamoDB", () => {
  let table: TestTable;
  let proxy: FaultProxy;
  const clients: DynamoDBClient[] = [];
  beforeEach(async () => {
    table = await createTestTable();
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await proxy.close();
    await table.delete();
  });

  function open(deadlineMs = 20_000): DynamoDbAccessStore {
    const client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    clients.push(client);
    const calls = new ServiceCalls("settings store", { deadlineMs, tryMs: 1_500 });
    return new DynamoDbAccessStore(new DynamoDbTable(client, table.name, calls));
  }

  it.each<[string, Fault]>([
    ["was done and its answer was cut", { kind: "cut" }],
    ["was done and nothing came back in time", { kind: "hang" }],
    ["never arrived", { kind: "lost" }],
  ])("reports a put and a delete as done when the first try %s", async (_, fault) => {
    const store = open();
    proxy.inject("PutItem", fault);
    const revision = await store.put(ACCOUNTS, TENANT, null);
    expect(await store.get(ACCOUNTS, "tenant")).toEqual({ ...TENANT, revision });
    proxy.inject("TransactWriteItems", fault);
    expect(await store.delete(ACCOUNTS, "tenant", Number(revision))).toBe(true);
    expect(await store.get(ACCOUNTS, "tenant")).toBeNull();
  });

  it("is unavailable when the table does not answer", async () => {
    for (const operation of ["GetItem", "PutItem", "Query", "TransactWriteItems"])
      proxy.always(operation, { kind: "lost" });
    const store = open(200);
    await expect(store.get(ACCOUNTS, "tenant")).rejects.toBeInstanceOf(Unavailable);
    await expect(store.put(ACCOUNTS, TENANT, null)).rejects.toBeInstanceOf(Unavailable);
    await expect(store.list(ACCOUNTS, "default", { limit: 1 })).rejects.toBeInstanceOf(Unavailable);
    await expect(store.delete(ACCOUNTS, "tenant", 2)).rejects.toBeInstanceOf(Unavailable);
    await expect(store.markUsed("tok_1", AT)).rejects.toBeInstanceOf(Unavailable);
  });
});
