import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../../adapters/local/database.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { Unavailable } from "../../core/errors.ts";
import { type Processors, type RemoteStore, remoteStore } from "../support/remote-store.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { VirtualTime } from "../support/virtual-time.ts";
import { wholeLog, Writer } from "./store-under-test.ts";

const MEASURED_MS = 7_500;
/** Clients and DynamoDB Local on a small machine, as measured. */
const TWO_PROCESSORS: Processors = { count: 2, readMs: 4, updateMs: 5, transactionMs: 25 };
/** A service that is overloaded by a hundred writers. */
const SLOW: Processors = { count: 2, readMs: 12, updateMs: 12, transactionMs: 40 };

interface Rates {
  readonly writesPerSecond: number;
  readonly unavailable: number;
  readonly p99Ms: number;
  readonly transactionsPerWrite: number;
  readonly requestsPerWrite: number;
}

describe("instances that share nothing but the store, at 4 ms a read and 20 ms a transaction", () => {
  let database: Database;
  let time: VirtualTime;
  let remote: RemoteStore;
  const connect = (processors?: Processors): void => {
    remote = remoteStore(new SqliteStore(database), time, processors);
  };
  beforeEach(() => {
    database = openDatabase(":memory:");
    time = new VirtualTime();
    connect();
  });
  afterEach(() => database.close());

  /** Each instance writes its next domain after the reply to the previous one. */
  async function measure(instances: number, hostOf: (domain: string) => string): Promise<Rates> {
    const random = seededRandom(instances).next;
    const latencies: number[] = [];
    let unavailable = 0;
    const instance = async (index: number): Promise<void> => {
      // A separate object: writes are serialised for each store object.
      const writer = new Writer({ ...remote.store }, { now: time.now, sleep: time.sleep, random });
      for (let n = 0; time.now() < MEASURED_MS; n += 1) {
        const domain = `d${n}.i${index}.example`;
        const start = time.now();
        try {
          await writer.putDomain({ name: domain, mxHosts: [hostOf(domain)] });
          latencies.push(time.now() - start);
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          unavailable += 1;
        }
      }
    };
    await time.run(Promise.all(Array.from({ length: instances }, (_, index) => instance(index))));
    const log = await wholeLog(new SqliteStore(database));
    // Each acknowledged write is stored once.
    expect(log).toHaveLength(latencies.length);
    expect(new Set(log.map(({ record }) => record.id)).size).toBe(log.length);
    const sorted = latencies.toSorted((a, b) => a - b);
    return {
      writesPerSecond: (latencies.length / time.now()) * 1000,
      unavailable,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
      transactionsPerWrite: remote.transactions() / latencies.length,
      requestsPerWrite: remote.requests() / latencies.length,
    };
  }

  it.each([
    [1, 20],
    [10, 60],
    [30, 60],
    [100, 60],
    [200, 60],
  ])("refuse none, at %i instances, and store %i domains a second", async (instances, perSecond) => {
    const rates = await measure(instances, (domain) => `mx.${domain}`);
    expect(rates.unavailable).toBe(0);
    expect(rates.writesPerSecond).toBeGreaterThan(perSecond);
    expect(rates.transactionsPerWrite).toBeLessThan(1.1);
    if (instances <= 30) expect(rates.p99Ms).toBeLessThan(1_000);
  });

  it.each([10, 30, 100])(
    "do so where all of them share two processors, at %i instances",
    async (instances) => {
      connect(TWO_PROCESSORS);
      const rates = await measure(instances, (domain) => `mx.${domain}`);
      expect(rates.unavailable).toBe(0);
      expect(rates.writesPerSecond).toBeGreaterThan(15);
      expect(rates.requestsPerWrite).toBeLessThan(15);
      if (instances <= 30) expect(rates.p99Ms).toBeLessThan(5_000);
    },
  );

  it.each([10, 100])(
    "do so where every write changes the same MX host, at %i instances",
    async (instances) => {
      const rates = await measure(instances, () => "mx.example");
      expect(rates.unavailable).toBe(0);
      expect(rates.writesPerSecond).toBeGreaterThan(60);
    },
  );

  it("refuse writes that cannot be stored in time, and store the others", async () => {
    connect(SLOW);
    const rates = await measure(100, (domain) => `mx.${domain}`);
    expect(rates.unavailable).toBeGreaterThan(0);
    expect(rates.writesPerSecond).toBeGreaterThan(3);
  });

  it("continue past writers that crash in the queue", async () => {
    const crashing = async () => {
      while (time.now() < MEASURED_MS) {
        await (await remote.store.queue())?.enter();
        await time.sleep(1_500);
      }
    };
    // Not waited for: the clock stops with the last instance.
    void crashing();
    const rates = await measure(10, (domain) => `mx.${domain}`);
    expect(rates.unavailable).toBe(0);
    expect(rates.writesPerSecond).toBeGreaterThan(30);
  });

  it.each([1, 30])(
    "refuse no write after hundreds that ended in the queue, at %i instances",
    async (count) => {
      const queue = await remote.store.queue();
      const enter = async () => await queue?.enter();
      await time.run(Promise.all(Array.from({ length: 1_000 }, enter)));
      const rates = await measure(count, (domain) => `mx.${domain}`);
      expect(rates.unavailable).toBe(0);
      expect(rates.writesPerSecond).toBeGreaterThan(10);
    },
  );
});
