import { setTimeout as sleep } from "node:timers/promises";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { expect, it } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbStore } from "../../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { Contention, Unavailable } from "../../core/errors.ts";
import type { LogEntry } from "../../core/store/store.ts";
import { wholeLog, Writer } from "../contract/store-under-test.ts";
import { startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy } from "../support/aws/on-aws.ts";
import { createTestTable } from "../support/aws/test-table.ts";
import { seededRandom } from "../support/seeded-random.ts";

const INSTANCES = 30;
const WRITES = 2;
const effects = {
  now: () => performance.now(),
  sleep: async (ms: number): Promise<void> => {
    await sleep(ms);
  },
};

/**
 * As a client does who receives 503. That none does is for many-writers.test.ts, whose machine is never busy.
 */
async function untilStored(write: () => Promise<LogEntry>): Promise<LogEntry> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof Unavailable && error.cause instanceof Contention)) throw error;
    }
  }
}

describeBehindProxy(
  "thirty instances that write at the same time, at 4 ms a read and 20 ms a transaction",
  () => {
    // Measured in full by bench/writers.ts. With writers that only pause, this sends 12 transactions a write.
    it("store each write once, with few transactions that lose", async () => {
      const table = await createTestTable();
      const proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
      for (const read of ["GetItem", "BatchGetItem", "Query"]) proxy.always(read, { kind: "slow", ms: 4 });
      proxy.always("TransactWriteItems", { kind: "slow", ms: 20 });
      const clients: DynamoDBClient[] = [];
      const open = (): DynamoDbStore => {
        const client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
        clients.push(client);
        const calls = new ServiceCalls("settings store", { deadlineMs: 60_000, tryMs: 30_000 });
        return new DynamoDbStore(new DynamoDbTable(client, table.name, calls));
      };
      const instance = async (index: number): Promise<void> => {
        const writer = new Writer(open(), { ...effects, random: seededRandom(index).next });
        for (let n = 0; n < WRITES; n += 1) {
          const domain = `d${n}.i${index}.example`;
          const mxHosts = [n === 0 ? "mx.example" : `mx.${domain}`];
          await untilStored(() => writer.putDomain({ name: domain, mxHosts }));
        }
      };
      await Promise.all(Array.from({ length: INSTANCES }, (_, index) => instance(index)));
      const log = await wholeLog(open());
      expect(log).toHaveLength(INSTANCES * WRITES);
      expect(new Set(log.map(({ record }) => record.id)).size).toBe(INSTANCES * WRITES);
      const sent = proxy.seen.filter(({ operation }) => operation === "TransactWriteItems").length;
      expect(sent / log.length).toBeLessThan(4);
      for (const client of clients) client.destroy();
      await proxy.close();
      await table.delete();
    });
  },
);
