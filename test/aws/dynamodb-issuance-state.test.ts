import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLIENT_OPTIONS, createDynamoDbClient } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbIssuanceState } from "../../adapters/aws/dynamodb-issuance-state.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { serviceClock } from "../../adapters/aws/service-clock.ts";
import { issuanceStateKey } from "../../adapters/aws/table-keys.ts";
import { Unavailable } from "../../core/errors.ts";
import { issuanceStateContract } from "../contract/issuance-state.contract.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy, describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

const LEASE = "certificate/cert_1";
const unexpiring = { expected: null, expiresAtMs: null };

describeOnAws("on AWS", () => {
  issuanceStateContract({
    name: "DynamoDB",
    create: async () => {
      const table = await createTestTable();
      const client = createDynamoDbClient();
      let now = 0;
      const clock = { now: () => now, isHeard: true };
      const open = () =>
        new DynamoDbIssuanceState(new DynamoDbTable(client, table.name, new ServiceCalls("store")), clock);
      return {
        state: open(),
        other: open(),
        reopen: async () => open(),
        setClock: (epochMs) => {
          now = epochMs;
        },
        spoil: (name) => table.set(issuanceStateKey(name), "json", { S: "{" }),
        close: async () => {
          client.destroy();
          await table.delete();
        },
      };
    },
  });
});

describeBehindProxy("issuance state on DynamoDB", () => {
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

  /** `ownNow` is this machine's clock. */
  function open({ ownNow = Date.now, deadlineMs = 20_000 } = {}): DynamoDbIssuanceState {
    const client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    clients.push(client);
    const calls = new ServiceCalls("settings store", { deadlineMs, tryMs: 1_500 });
    return new DynamoDbIssuanceState(
      new DynamoDbTable(client, table.name, calls),
      serviceClock(client, ownNow),
    );
  }

  it.each<[string, Fault]>([
    ["was done and its answer was cut", { kind: "cut" }],
    ["was done and nothing came back in time", { kind: "hang" }],
    ["never arrived", { kind: "lost" }],
  ])("reports a put as done when its first try %s", async (_, fault) => {
    const state = open();
    proxy.inject("PutItem", fault);
    const version = await state.put(LEASE, 1, unexpiring);
    expect(proxy.seen.filter(({ operation }) => operation === "PutItem").length).toBeGreaterThan(1);
    expect(version).not.toBeNull();
    expect(await state.get(LEASE)).toEqual({ value: 1, version });
  });

  it("judges expiry by the store's clock, also in the first call of a process", async () => {
    const ownNow = () => Date.now() - 24 * 3600 * 1000;
    await open().put(LEASE, "old", { expected: null, expiresAtMs: Date.now() - 60_000 });
    expect(await open({ ownNow }).get(LEASE)).toBeNull();
    expect(await open({ ownNow }).put(LEASE, "new", unexpiring)).not.toBeNull();
  });

  it("marks an item with an expiry for the table's time to live, and no other", async () => {
    const state = open();
    const expiresAtMs = Date.now() + 90_500;
    await state.put("token/a", 1, { expected: null, expiresAtMs });
    await state.put(LEASE, 1, unexpiring);
    const timesToLive = proxy.seen
      .filter(({ operation }) => operation === "PutItem")
      .map(({ body }) => (JSON.parse(body) as { Item: Record<string, unknown> }).Item["expiresAt"]);
    expect(timesToLive).toEqual([{ N: String(Math.ceil(expiresAtMs / 1000)) }, undefined]);
  });

  it("is unavailable when the table does not answer", async () => {
    for (const operation of ["GetItem", "PutItem", "DeleteItem"]) proxy.always(operation, { kind: "lost" });
    const state = open({ deadlineMs: 200 });
    await expect(state.get(LEASE)).rejects.toBeInstanceOf(Unavailable);
    await expect(state.put(LEASE, 1, unexpiring)).rejects.toBeInstanceOf(Unavailable);
    await expect(state.delete(LEASE)).rejects.toBeInstanceOf(Unavailable);
  });
});
