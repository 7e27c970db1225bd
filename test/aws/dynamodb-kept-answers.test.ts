import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLIENT_OPTIONS, createDynamoDbClient } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbKeptAnswers } from "../../adapters/aws/dynamodb-kept-answers.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { serviceClock } from "../../adapters/aws/service-clock.ts";
import { Unavailable } from "../../core/errors.ts";
import { keptAnswersContract } from "../contract/kept-answers.contract.ts";
import { type Fault, type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy, describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";

const NAME = "a".repeat(64);
const RUN = { request: "one", run: "r1" };
const OTHER_RUN = { request: "one", run: "r2" };

describeOnAws("on AWS", () => {
  keptAnswersContract({
    name: "DynamoDB",
    create: async () => {
      const table = await createTestTable();
      const client = createDynamoDbClient();
      let now = 0;
      const clock = { now: () => now, isHeard: true };
      const open = () =>
        new DynamoDbKeptAnswers(new DynamoDbTable(client, table.name, new ServiceCalls("store")), clock);
      return {
        answers: open(),
        other: open(),
        setClock: (epochMs) => {
          now = epochMs;
        },
        close: async () => {
          client.destroy();
          await table.delete();
        },
      };
    },
  });
});

describeBehindProxy("kept answers on DynamoDB", () => {
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

  function open({ ownNow = Date.now, deadlineMs = 20_000 } = {}): DynamoDbKeptAnswers {
    const client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
    clients.push(client);
    const calls = new ServiceCalls("settings store", { deadlineMs, tryMs: 1_500 });
    return new DynamoDbKeptAnswers(
      new DynamoDbTable(client, table.name, calls),
      serviceClock(client, ownNow),
    );
  }

  it.each<[string, Fault]>([
    ["was done and its answer was cut", { kind: "cut" }],
    ["was done and nothing came back in time", { kind: "hang" }],
    ["never arrived", { kind: "lost" }],
  ])("has begun, kept and released when the first try %s", async (_, fault) => {
    const answers = open();
    const expiresAtMs = Date.now() + 60_000;
    proxy.inject("PutItem", fault);
    expect(await answers.begin(NAME, RUN, expiresAtMs)).toBeNull();
    proxy.inject("PutItem", fault);
    expect(await answers.keep(NAME, RUN, { answer: new Uint8Array([1]), expiresAtMs })).toBe(true);
    proxy.inject("TransactWriteItems", fault);
    await answers.release(NAME, RUN);
    expect(await answers.begin(NAME, OTHER_RUN, expiresAtMs)).toBeNull();
  });

  it("judges expiry by the store's clock, also in the first call of a process", async () => {
    const ownNow = () => Date.now() - 24 * 3600 * 1000;
    expect(await open().begin(NAME, RUN, Date.now() - 60_000)).toBeNull();
    expect(await open({ ownNow }).begin(NAME, OTHER_RUN, Date.now() + 60_000)).toBeNull();
  });

  it("marks each item for the table's time to live", async () => {
    const expiresAtMs = Date.now() + 90_500;
    const answers = open();
    await answers.begin(NAME, RUN, expiresAtMs);
    await answers.keep(NAME, RUN, { answer: new Uint8Array([1]), expiresAtMs: expiresAtMs + 10_000 });
    const timesToLive = proxy.seen
      .filter(({ operation }) => operation === "PutItem")
      .map(({ body }) => (JSON.parse(body) as { Item: Record<string, unknown> }).Item["expiresAt"]);
    const seconds = Math.ceil(expiresAtMs / 1000);
    expect(timesToLive).toEqual([{ N: String(seconds) }, { N: String(seconds + 10) }]);
  });

  it("is unavailable when the table does not answer", async () => {
    for (const operation of ["GetItem", "PutItem", "TransactWriteItems"])
      proxy.always(operation, { kind: "lost" });
    const answers = open({ deadlineMs: 200 });
    const kept = { answer: new Uint8Array([1]), expiresAtMs: Date.now() + 1_000 };
    await expect(answers.begin(NAME, RUN, kept.expiresAtMs)).rejects.toBeInstanceOf(Unavailable);
    await expect(answers.keep(NAME, RUN, kept)).rejects.toBeInstanceOf(Unavailable);
    await expect(answers.release(NAME, RUN)).rejects.toBeInstanceOf(Unavailable);
  });
});
