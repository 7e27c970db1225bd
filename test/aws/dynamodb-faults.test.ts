import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbEdgeReports } from "../../adapters/aws/dynamodb-edge-reports.ts";
import { DynamoDbStore } from "../../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { type CallLimits, ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { serviceClock } from "../../adapters/aws/service-clock.ts";
import { Contention, StaleRevision, Unavailable } from "../../core/errors.ts";
import type { Commit, Store } from "../../core/store/store.ts";
import { edgeId } from "../contract/edge-reports.contract.ts";
import { commitOf, sorted, Writer, wholeLog } from "../contract/store-under-test.ts";
import {
  cancelled,
  dynamoDbError,
  type Fault,
  type FaultProxy,
  startFaultProxy,
} from "../support/aws/fault-proxy.ts";
import { describeBehindProxy } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { certificateRecord, domainRecord, name } from "../support/records.ts";

/** Short, so that a test of what takes too long does not; long enough for a machine that is busy. */
const LIMITS: CallLimits = { deadlineMs: 20_000, tryMs: 1_500 };
const a = domainRecord({ name: "a.example", mxHosts: ["mx.example"] });
const createA: Commit = commitOf({ kind: "domain", id: a.name, before: null, after: a });
const TRANSACTION = "TransactWriteItems";

/** The answer to a Query without its last item. */
function withoutLast(body: string): object {
  const answer = JSON.parse(body) as { readonly Items: readonly unknown[] };
  return { ...answer, Items: answer.Items.slice(0, -1), Count: answer.Items.length - 1 };
}

let table: TestTable;
let proxy: FaultProxy;
const opened: DynamoDBClient[] = [];
function openTable(limits: CallLimits = LIMITS): DynamoDbTable {
  return new DynamoDbTable(openClient(), table.name, new ServiceCalls("settings store", limits));
}
function openClient(): DynamoDBClient {
  const client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
  opened.push(client);
  return client;
}
const openStore = (limits?: CallLimits): Store => new DynamoDbStore(openTable(limits));
const tokens = (): unknown[] =>
  proxy.seen
    .filter(({ operation }) => operation === TRANSACTION)
    .map(({ body }) => (JSON.parse(body) as Record<string, unknown>)["ClientRequestToken"]);

describeBehindProxy("the store on DynamoDB", () => {
  beforeEach(async () => {
    table = await createTestTable();
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
  });
  afterEach(async () => {
    for (const client of opened.splice(0)) client.destroy();
    await proxy.close();
    await table.delete();
  });

  describe("a commit without an answer", () => {
    it.each<[string, Fault]>([
      ["was done and its answer was cut", { kind: "cut" }],
      ["was done and half of its answer was lost", { kind: "truncate" }],
      ["was done and nothing came back in time", { kind: "hang" }],
      ["never arrived", { kind: "lost" }],
    ])("is repeated under its token, and done once, when it %s", async (_, fault) => {
      const store = openStore();
      proxy.inject(TRANSACTION, fault);
      const entry = await store.commit(createA);
      expect(tokens().length).toBeGreaterThan(1);
      expect(new Set(tokens()).size).toBe(1);
      expect(await wholeLog(store)).toEqual([entry]);
      expect(await store.getDomain(a.name)).toEqual({ ...a, revision: 1 });
    });

    it.each([
      "ThrottlingException",
      "ProvisionedThroughputExceededException",
      "RequestLimitExceeded",
      "TransactionInProgressException",
    ])("is repeated after %s", async (error) => {
      proxy.inject(TRANSACTION, dynamoDbError(error), dynamoDbError(error));
      expect((await openStore().commit(createA)).revision).toBe(1);
      expect(tokens()).toHaveLength(3);
      expect(new Set(tokens()).size).toBe(1);
    });

    it.each([500, 503])("is repeated after status %i", async (status) => {
      proxy.inject(TRANSACTION, dynamoDbError("InternalServerError", status));
      expect((await openStore().commit(createA)).revision).toBe(1);
      expect(new Set(tokens()).size).toBe(1);
    });

    it("is found in the log when its repetition is cancelled", async () => {
      const stale = cancelled("ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed");
      proxy.inject(TRANSACTION, { kind: "cut" }, stale);
      const store = openStore();
      const entry = await store.commit(createA);
      expect(tokens()).toHaveLength(2);
      expect(await wholeLog(store)).toEqual([entry]);
    });

    it.each<[string, readonly Fault[]]>([
      ["is repeated under its token", [{ kind: "cut" }]],
      ["is throttled when repeated", [{ kind: "cut" }, cancelled("None", "ThrottlingError")]],
    ])("is stored once by a writer in the queue, when it %s", async (_, faults) => {
      const store = openStore();
      proxy.inject(TRANSACTION, cancelled("None", "ConditionalCheckFailed"), ...faults);
      const entry = await new Writer(store).putDomain({ name: "a.example", mxHosts: ["mx.example"] });
      expect(entry.revision).toBe(1);
      expect(await wholeLog(store)).toEqual([entry]);
      expect(await (await store.queue())?.line()).toMatchObject({ head: 1, served: 1, taken: 1 });
    });

    it("is Unavailable at its deadline", async () => {
      proxy.always(TRANSACTION, { kind: "hang" });
      const refused = openStore({ deadlineMs: 600, tryMs: 200 }).commit(createA);
      await expect(refused).rejects.toBeInstanceOf(Unavailable);
      // As many tries as the deadline has room for.
      expect(tokens().length).toBeLessThanOrEqual(3);
      expect(new Set(tokens()).size).toBe(1);
    });
  });

  describe("a cancelled commit", () => {
    it.each<[string, readonly string[], typeof Contention | typeof StaleRevision]>([
      ["conflicts at the record", ["TransactionConflict", "None", "None"], Contention],
      ["conflicts at the head", ["None", "TransactionConflict", "None"], Contention],
      ["conflicts at the log", ["None", "None", "TransactionConflict"], Contention],
      ["finds another head", ["None", "ConditionalCheckFailed", "None"], Contention],
      ["finds the log entry", ["None", "None", "ConditionalCheckFailed"], Contention],
      [
        "finds another record and a conflict",
        ["ConditionalCheckFailed", "TransactionConflict"],
        StaleRevision,
      ],
      ["finds another record and head", ["ConditionalCheckFailed", "ConditionalCheckFailed"], StaleRevision],
      ["finds another head while throttled", ["ThrottlingError", "ConditionalCheckFailed"], Contention],
    ])("that %s maps to its error, and is not repeated", async (_, codes, error) => {
      proxy.inject(TRANSACTION, cancelled(...codes));
      const store = openStore();
      await expect(store.commit(createA)).rejects.toBeInstanceOf(error);
      expect(tokens()).toHaveLength(1);
      expect(await store.head()).toBe(0);
    });

    it.each(["ThrottlingError", "ProvisionedThroughputExceeded"])(
      "is repeated under another token when all that was in its way is %s",
      async (code) => {
        proxy.inject(TRANSACTION, cancelled("None", code, code));
        expect((await openStore().commit(createA)).revision).toBe(1);
        expect(tokens()).toHaveLength(2);
        expect(new Set(tokens()).size).toBe(2);
      },
    );

    it("is read, validated and written again by a writer, under another token", async () => {
      const conflict = cancelled("None", "TransactionConflict", "None");
      proxy.inject(TRANSACTION, conflict, conflict);
      const entry = await new Writer(openStore()).putCertificate(certificateRecord());
      expect(entry.revision).toBe(1);
      expect(new Set(tokens()).size).toBe(3);
    });
  });

  describe("a read", () => {
    it.each<[string, Fault]>([
      ["is throttled", dynamoDbError("ThrottlingException")],
      ["fails", dynamoDbError("InternalServerError", 500)],
      ["is lost", { kind: "lost" }],
      ["is cut", { kind: "truncate" }],
      ["is slow", { kind: "hang" }],
    ])("is repeated when it %s", async (_, fault) => {
      const store = openStore();
      await store.commit(createA);
      for (const operation of ["GetItem", "Query", "BatchGetItem", "TransactGetItems"]) {
        proxy.inject(operation, fault, fault);
      }
      expect(await store.getDomain(a.name)).toEqual({ ...a, revision: 1 });
      expect(await store.domainsOnHosts("default", a.mxHosts, 9)).toEqual({ count: 1, names: [a.name] });
      expect((await store.loadAll()).domains).toEqual([{ ...a, revision: 1 }]);
    });

    it.each(["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"])(
      "is Unavailable at once after %s, and names nothing of the cause",
      async (error) => {
        proxy.always("GetItem", dynamoDbError(error));
        const store = openStore();
        await expect(store.head()).rejects.toEqual(
          new Unavailable("the settings store refuses our requests"),
        );
        expect(proxy.seen).toHaveLength(1);
      },
    );

    it("of many items continues with the unprocessed ones", async () => {
      const store = openStore();
      await store.commit(createA);
      proxy.inject("BatchGetItem", {
        kind: "change",
        body: () => {
          const { body } = proxy.seen.findLast(({ operation }) => operation === "BatchGetItem") ?? {
            body: "{}",
          };
          return JSON.stringify({
            Responses: {},
            UnprocessedKeys: (JSON.parse(body) as Record<string, unknown>)["RequestItems"],
          });
        },
      });
      expect((await store.listDomains({ account: "default" }, { limit: 9 })).items).toHaveLength(1);
      expect(proxy.seen.filter(({ operation }) => operation === "BatchGetItem")).toHaveLength(2);
    });
  });

  describe("a full load", () => {
    it("waits for a transaction that is at the head", async () => {
      const store = openStore();
      await store.commit(createA);
      proxy.inject("TransactGetItems", cancelled("TransactionConflict"), cancelled("TransactionConflict"));
      expect((await store.loadAll()).revision).toBe(1);
      expect(proxy.seen.filter(({ operation }) => operation === "TransactGetItems")).toHaveLength(3);
    });

    it("includes writes made while it reads, and waits for an entry that becomes visible late", async () => {
      const store = openStore();
      const writer = new Writer(
        new DynamoDbStore(new DynamoDbTable(table.client, table.name, new ServiceCalls("store"))),
      );
      await writer.putDomain({ name: "a.example" });
      await writer.putDomain({ name: "b.example" });
      // The head as it was before, so that the log has to lead from there to now.
      const old: Fault = { kind: "change", body: (body) => body.replace('"2"', '"1"') };
      proxy.inject("GetItem", old);
      const noEntries: Fault = { kind: "change", body: () => JSON.stringify({ Items: [], Count: 0 }) };
      const before = Array.from({ length: 1 + 64 }, (): Fault => ({ kind: "pass" }));
      proxy.inject("Query", ...before, noEntries, noEntries);
      const contents = await store.loadAll();
      expect(contents.revision).toBe(2);
      expect(contents.domains.map((domain) => domain.name).toSorted()).toEqual(["a.example", "b.example"]);
      expect(proxy.seen.filter(({ operation }) => operation === "Query")).toHaveLength(68);
    });

    it("includes the write of the head although no partition shows it yet", async () => {
      const store = openStore();
      const writer = new Writer(store);
      await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"] });
      await writer.putDomain({ name: "b.example", mxHosts: ["mx.example"] });
      await writer.deleteDomain(name("b.example"));
      const whole = sorted(await store.loadAll());
      const nothing: Fault = { kind: "change", body: () => JSON.stringify({ Items: [], Count: 0 }) };
      // The log shows its newest entry late, too.
      const log: Fault = { kind: "change", body: (body) => JSON.stringify(withoutLast(body)) };
      proxy.inject("Query", log, { kind: "pass" }, ...Array.from({ length: 64 }, () => nothing));
      expect(sorted(await store.loadAll())).toEqual(whole);
      expect(whole.domains).toHaveLength(1);
    });

    it("starts again when the log has a gap, and is Unavailable when the gap remains", async () => {
      const store = openStore();
      await new Writer(store).putDomain({ name: "a.example" });
      const old: Fault = { kind: "change", body: (body) => body.replace('"1"', '"0"') };
      await table.set({ pk: "LOG", sk: "0000000000000001" }, "json", { S: "{" });
      proxy.inject("GetItem", old);
      expect((await store.loadAll()).domains.map((domain) => domain.name)).toEqual(["a.example"]);
      expect(proxy.seen.filter(({ operation }) => operation === "TransactGetItems")).toHaveLength(2);
      proxy.always("GetItem", old);
      await expect(store.loadAll()).rejects.toBeInstanceOf(Unavailable);
    });
  });

  describe("edge reports", () => {
    it("have the time of the store, not of this machine's clock", async () => {
      const theirs = Date.parse("2031-02-03T04:05:06.000Z");
      const dated: Fault = { kind: "change", headers: { date: new Date(theirs).toUTCString() } };
      for (const operation of ["GetItem", "PutItem", "Query"]) proxy.always(operation, dated);
      const client = openClient();
      const reports = new DynamoDbEdgeReports(
        new DynamoDbTable(client, table.name, new ServiceCalls("store", LIMITS)),
        serviceClock(client, () => 12_345),
      );
      await reports.report({
        id: edgeId(1),
        release: "0.1.0",
        listeners: [],
        revision: 1,
        certificates: [],
        certificateProblems: [],
        unreadable: [],
        stale: false,
        chainVerifier: true,
        omitted: 0,
      });
      expect(await reports.list()).toMatchObject([
        { lastReportAt: "2031-02-03T04:05:06.500Z", state: "live" },
      ]);
    });
  });
});
