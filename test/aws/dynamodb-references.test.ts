import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CLIENT_OPTIONS, createDynamoDbClient } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbStore } from "../../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { Contention } from "../../core/errors.ts";
import { CAPS } from "../../core/limits.ts";
import { planWrite, readHosts } from "../../core/management/plan-write.ts";
import type { Commit, Store } from "../../core/store/store.ts";
import { listCases } from "../contract/store-list.cases.ts";
import {
  commitOf,
  eventually,
  replay,
  partsOf,
  sorted,
  wholeLog,
  Writer,
} from "../contract/store-under-test.ts";
import { cancelled, type FaultProxy, startFaultProxy } from "../support/aws/fault-proxy.ts";
import { describeBehindProxy, describeOnAws } from "../support/aws/on-aws.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  name,
  trustStoreId,
  trustStoreRecord,
} from "../support/records.ts";

let table: TestTable;
let client: DynamoDBClient;
const open = (options: { readonly maxActions?: number } = {}): Store =>
  new DynamoDbStore(new DynamoDbTable(client, table.name, new ServiceCalls("settings store")), options);

beforeEach(async (context) => {
  if (context.task.mode === "skip") return;
  table = await createTestTable();
});
afterEach(async (context) => {
  if (context.task.mode === "skip") return;
  client.destroy();
  await table.delete();
});

describeOnAws("a store in whose transactions no reference has room", () => {
  beforeEach(() => {
    client = createDynamoDbClient();
  });
  describe("reads and lists", () => {
    listCases(() => {
      const store = open({ maxActions: 0 });
      const unused = () => Promise.reject(new Error("not used by lists"));
      return { store, other: open(), spoil: unused, reopen: unused, close: async () => {} };
    });
  });

  it("continues from page to page past references that are no longer valid", async () => {
    const store = open({ maxActions: 0 });
    const writer = new Writer(store);
    const [X, Y] = [certificateId(1), certificateId(2)];
    for (const id of [X, Y]) await writer.putCertificate(certificateRecord({ id }));
    const server = { certificateId: X };
    for (const n of [1, 2, 3, 4]) {
      await writer.putDomain({ name: `d${n}.example`, mxHosts: ["mx.example"], server });
    }
    // From here on the references of three of the four hold no longer, and are still there.
    for (const n of [1, 2, 4]) await writer.putDomain({ name: `d${n}.example`, mxHosts: [] });
    const found: string[] = [];
    for (let after: string | null | undefined; after !== null; ) {
      const page = await store.listDomains({ account: "default", certificateId: X }, { limit: 1, after });
      found.push(...page.items.map((domain) => domain.name));
      after = page.next;
    }
    expect(found).toEqual(["d3.example"]);
    expect(await store.domainsOnHosts("default", [name("mx.example")], 9)).toEqual({
      count: 1,
      names: ["d3.example"],
    });
  });
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const hosts = (letter: string): string[] => numbers(CAPS.mxHosts).map((n) => `${letter}${n}.example`);
const stores = numbers(2 * CAPS.trustStoreIds).map(trustStoreId);
const last = certificateId(CAPS.mxHosts + 1);
const before = {
  name: "big.example",
  mxHosts: hosts("h"),
  trustStoreIds: stores.slice(0, CAPS.trustStoreIds),
};
const after = {
  name: "big.example",
  mxHosts: hosts("k"),
  trustStoreIds: stores.slice(CAPS.trustStoreIds),
  server: { certificateId: last },
};

/** A domain at the caps, each of whose hosts serves another certificate. */
async function settle(store: Store): Promise<void> {
  const writer = new Writer(store);
  for (const n of numbers(CAPS.mxHosts + 1))
    await writer.putCertificate(certificateRecord({ id: certificateId(n) }));
  for (const id of stores) await writer.putTrustStore(trustStoreRecord({ id }));
  await writer.putDomain(before);
  for (const [index, host] of before.mxHosts.entries()) {
    const server = { certificateId: certificateId(index + 1) };
    await writer.putDomain({ name: "small.example", mxHosts: [host], server });
  }
  await writer.deleteDomain(name("small.example"));
}

/** All hosts, all trust stores and all certificates of `big.example` change at once. */
async function largestCommit(store: Store): Promise<Commit> {
  const wanted = domainRecord(after);
  const stored = await store.getDomainWithHosts(wanted.name);
  const present = stored?.domain ?? null;
  const found = await readHosts(store, stored, wanted);
  const plan = planWrite({ before: present, after: wanted, certificateId: last, ...found });
  return commitOf(
    { kind: "domain", id: wanted.name, before: present, after: wanted },
    { ...partsOf(plan), expectedHead: await store.head() },
  );
}

/** Everything that references answer. */
async function answers(store: Store) {
  const certificates = numbers(CAPS.mxHosts + 1).map(certificateId);
  const onHosts = (mxHosts: readonly string[]) => store.domainsOnHosts("default", mxHosts.map(name), 9);
  return {
    onOldHosts: await onHosts(before.mxHosts),
    onNewHosts: await onHosts(after.mxHosts),
    hosts: await Promise.all(certificates.map(async (id) => (await store.hostsOfCertificate(id)).length)),
    domains: await Promise.all(stores.map(async (id) => (await store.domainsOfTrustStore(id)).length)),
  };
}

const none = { count: 0, names: [] };
const big = { count: 1, names: ["big.example"] };
const afterwards = {
  onOldHosts: none,
  onNewHosts: big,
  hosts: [...numbers(CAPS.mxHosts).map(() => 0), CAPS.mxHosts],
  domains: stores.map((_, index) => (index < CAPS.trustStoreIds ? 0 : 1)),
};

describeBehindProxy("the largest write that the caps allow", () => {
  let proxy: FaultProxy;
  beforeEach(async () => {
    proxy = await startFaultProxy(process.env["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
    client = new DynamoDBClient({ ...CLIENT_OPTIONS, endpoint: proxy.endpoint });
  });
  afterEach(() => proxy.close());

  it("is one transaction of 100 actions, and every list is correct before and after it", async () => {
    const store = open();
    await settle(store);
    const start = await answers(store);
    expect(start).toEqual({
      onOldHosts: big,
      onNewHosts: none,
      hosts: [...numbers(CAPS.mxHosts).map(() => 1), 0],
      domains: stores.map((_, index) => (index < CAPS.trustStoreIds ? 1 : 0)),
    });
    // The references that find no room are there already when the transaction fails: nothing may show of
    // them.
    const commit = await largestCommit(store);
    proxy.inject("TransactWriteItems", cancelled("None", "TransactionConflict"));
    await expect(store.commit(commit)).rejects.toBeInstanceOf(Contention);
    expect(await answers(store)).toEqual(start);
    await store.commit(commit);
    expect(await answers(store)).toEqual(afterwards);
    const bodies = proxy.seen.filter(({ operation }) => operation === "TransactWriteItems").slice(-2);
    for (const { body } of bodies) {
      expect((JSON.parse(body) as { TransactItems: unknown[] }).TransactItems).toHaveLength(100);
    }
    const log = await wholeLog(store);
    expect(sorted(await store.loadAll())).toEqual(replay(log, log.length));

    // Back, and then as small as can be: whatever is left over from the large writes does no harm.
    await new Writer(store).putDomain(before);
    await new Writer(store).putDomain({ name: "big.example", mxHosts: ["k1.example"] });
    const end = await answers(store);
    expect([end.onOldHosts, end.onNewHosts]).toEqual([none, big]);
    expect([...end.hosts, ...end.domains].filter((count) => count > 0)).toEqual([]);
    await eventually(async () => {
      const { items } = await store.listDomains({ account: "default", certificateId: last }, { limit: 9 });
      expect(items).toEqual([]);
    });
  });
});
