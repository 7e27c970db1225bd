import { type PollEvent } from "../../worker/event/poll-event.ts";
import { randomUUID } from "node:crypto";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLIENT_OPTIONS } from "../../adapters/aws/aws-clients.ts";
import { DynamoDbStore } from "../../adapters/aws/dynamodb-store.ts";
import { DynamoDbTable } from "../../adapters/aws/dynamodb-table.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { takeOver } from "../../adapters/aws/take-over.ts";
import { NotFound, Unavailable } from "../../core/errors.ts";
import type { LogEntry, Store } from "../../core/store/store.ts";
import { createFreshness } from "../../worker/settings/freshness.ts";
import { pollSettings } from "../../worker/settings/poller.ts";
import { createSnapshotHolder } from "../../worker/settings/snapshot-holder.ts";
import { createTrustContentLoader } from "../../core/snapshot/trust-content-loader.ts";
import { replay, sorted, wholeLog, Writer } from "../contract/store-under-test.ts";
import { describeOnAws } from "../support/aws/on-aws.ts";
import { type ItemChange, replicationOf, type Replication } from "../support/aws/replica-table.ts";
import { createTestTable, type TestTable } from "../support/aws/test-table.ts";
import { BUILT_AT, certificateId, certificateRecord, name } from "../support/records.ts";
import { seededRandom } from "../support/seeded-random.ts";

const X = certificateId(1);
const a = name("a.example");

let source: TestTable;
let replica: TestTable;
let writer: Writer;
let replication: Replication;
const clients: { destroy(): void }[] = [];

/** The region that writes, and the one that reads a replica. Emulators keep the tables of regions apart. */
const [HOME, AWAY] = ["eu-central-1", "eu-west-1"];
/** When the tests' writes were built: entries of the log expire 90 days later. */
const NOW = Date.parse(BUILT_AT);

function tableIn(region: string, { name: table }: TestTable): DynamoDbTable {
  const client = new DynamoDBClient({ ...CLIENT_OPTIONS, region });
  clients.push(client);
  return new DynamoDbTable(client, table, new ServiceCalls("settings store"));
}
const storeIn = (region: string, table: TestTable, now = NOW): DynamoDbStore =>
  new DynamoDbStore(tableIn(region, table), { now: () => now });
const away = (now = NOW): DynamoDbStore => storeIn(AWAY, replica, now);

async function open(): Promise<void> {
  const table = `postern-test-${randomUUID()}`;
  source = await createTestTable(table, { region: HOME });
  replica = await createTestTable(table, { region: AWAY });
  writer = new Writer(storeIn(HOME, source));
  replication = replicationOf(source, replica);
}
async function close(): Promise<void> {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all([source.delete(), replica.delete()]);
}

const isOf =
  (...parts: readonly string[]) =>
  ({ key }: ItemChange): boolean =>
    parts.some((part) => key.startsWith(`${part} `) || key.includes(` ${part}#`));

/** Polls an edge's poller so often; what it holds is kept from call to call. */
function edgeOn(store: Store) {
  const holder = createSnapshotHolder();
  const vault = { get: () => Promise.reject(new NotFound("no object")) };
  const trustContents = createTrustContentLoader(vault, () => {});
  const freshness = createFreshness({ monotonicNow: () => 0, silenceMs: 1_000 });
  const poll = async (times: number): Promise<readonly PollEvent["kind"][]> => {
    const stop = new AbortController();
    const kinds: PollEvent["kind"][] = [];
    const sleep = async (): Promise<void> => {
      if (kinds.length >= times) stop.abort();
    };
    const options = {
      intervalMs: 1_000,
      maxBackoffMs: 5_000,
      random: () => 0.5,
      monotonicNow: () => 0,
      sleep,
    };
    await pollSettings(
      { store, trustContents, holder, freshness, backup: null },
      { ...options, onEvent: ({ kind }) => kinds.push(kind) },
      stop.signal,
    );
    return kinds;
  };
  return { poll, revision: () => holder.current()?.revision ?? null };
}

describeOnAws("a replica of the table in another region, where each item arrives by itself,", () => {
  beforeEach(async () => {
    await open();
    await writer.putCertificate(certificateRecord({ id: X }));
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"] });
    await replication.deliver(await replication.take());
  });
  afterEach(close);

  /** The third write, and the parts of it. */
  async function thirdWrite(): Promise<readonly ItemChange[]> {
    await writer.putDomain({ name: "a.example", mxHosts: ["mx2.example"], server: { certificateId: X } });
    return replication.take();
  }

  it("is not loaded while the entry of its head is missing, and an edge's settings stay in force", async () => {
    const store = away();
    const edge = edgeOn(store);
    expect(await edge.poll(1)).toEqual(["loaded"]);
    const changes = await thirdWrite();
    await replication.deliver(changes.filter(isOf("HEAD")));
    await expect(store.loadAll()).rejects.toBeInstanceOf(Unavailable);
    expect(await edge.poll(3)).toEqual(["gap", "gap", "failed"]);
    expect(edge.revision()).toBe(2);
    await replication.deliver(changes);
    expect(await edge.poll(1)).toEqual(["applied"]);
    expect(edge.revision()).toBe(3);
  });

  it("is followed only to its head, although a later entry and its records have arrived", async () => {
    const store = away();
    const edge = edgeOn(store);
    await edge.poll(1);
    const changes = await thirdWrite();
    await replication.deliver(changes.filter((change) => !isOf("HEAD")(change)));
    expect(await edge.poll(2)).toEqual(["unchanged", "unchanged"]);
    // A load would be of two moments.
    await expect(store.loadAll()).rejects.toBeInstanceOf(Unavailable);
    await replication.deliver(changes.filter(isOf("HEAD")));
    expect(await edge.poll(1)).toEqual(["applied"]);
  });

  it("is loaded from its log where the records are late", async () => {
    const changes = await thirdWrite();
    await replication.deliver(changes.filter(isOf("HEAD", "LOG")));
    expect(sorted(await away().loadAll())).toEqual(sorted(await writer.store.loadAll()));
  });

  it("is loaded from its log where one record is late by many writes", async () => {
    const late = await thirdWrite();
    await replication.deliver(late.filter(isOf("HEAD", "LOG")));
    for (let n = 0; n < 30; n += 1)
      await writer.putDomain({ name: "b.example", mxHosts: [`mx${n}.example`] });
    await replication.deliver(await replication.take());
    expect(sorted(await away().loadAll())).toEqual(sorted(await writer.store.loadAll()));
  });

  it("is loaded without a record whose deletion is late", async () => {
    await writer.deleteDomain(a);
    await replication.deliver((await replication.take()).filter(isOf("HEAD", "LOG")));
    expect((await away().loadAll()).domains).toEqual([]);
  });

  it("is not loaded while an entry before the newest is missing, and an edge waits for it", async () => {
    const store = away();
    const edge = edgeOn(store);
    await edge.poll(1);
    const third = await thirdWrite();
    await writer.putDomain({ name: "b.example", mxHosts: ["mx.example"] });
    await replication.deliver(await replication.take());
    await expect(store.loadAll()).rejects.toThrow("entry 3 of the log has not been replicated");
    expect(await edge.poll(3)).toEqual(["gap", "gap", "failed"]);
    expect(edge.revision()).toBe(2);
    await replication.deliver(third.filter(isOf("LOG")));
    expect(await edge.poll(1)).toEqual(["applied"]);
    expect(edge.revision()).toBe(4);
  });

  it("is loaded where entries have expired, 90 days after they were written", async () => {
    const later = NOW + 91 * 24 * 3_600_000;
    const changes = await thirdWrite();
    await replication.deliver(changes.filter((change) => !isOf("LOG")(change)));
    expect((await away(later).loadAll()).revision).toBe(3);
    await expect(away().loadAll()).rejects.toBeInstanceOf(Unavailable);
  });

  it.each([1, 2, 3])(
    "shows only states that were in force, for any order of arrival (seed %i)",
    async (seed) => {
      const late: ItemChange[][] = [];
      for (const write of [
        () => writer.putDomain({ name: "b.example", mxHosts: ["mx.example"] }),
        () => writer.putDomain({ name: "a.example", mxHosts: ["mx2.example"], server: { certificateId: X } }),
        () => writer.putDomain({ name: "c.example", mxHosts: ["mx2.example"], server: { certificateId: X } }),
        () => writer.deleteDomain(a),
        () => writer.putDomain({ name: "b.example", mxHosts: ["mx3.example"] }),
      ]) {
        await write();
        late.push([...(await replication.take())]);
      }
      const log = await wholeLog(writer.store);
      const store = away();
      const edge = edgeOn(store);
      await edge.poll(1);
      const random = seededRandom(seed);
      let held = 2;
      for (const change of inAnyOrder(late, random.next)) {
        await replication.deliver([change]);
        await edge.poll(1);
        expect(edge.revision()).toBeGreaterThanOrEqual(held);
        held = edge.revision() ?? 0;
        await expectOneMoment(store, log);
      }
      await edge.poll(1);
      expect(edge.revision()).toBe(7);
      expect(sorted(await store.loadAll())).toEqual(replay(log, 7));
    },
  );
});

/** Every change, each item's in its order. */
function inAnyOrder(writes: readonly (readonly ItemChange[])[], random: () => number): ItemChange[] {
  const byItem = Map.groupBy(writes.flat(), ({ key }) => key);
  const queues = [...byItem.values()].map((changes) => [...changes]);
  const order: ItemChange[] = [];
  while (queues.length > 0) {
    const index = Math.floor(random() * queues.length);
    const next = queues[index]?.shift();
    if (next === undefined) queues.splice(index, 1);
    else order.push(next);
  }
  return order;
}

/**
 * What is loaded is what the log says of that revision; a deletion alone may show early, since it leaves
 * nothing to see.
 */
async function expectOneMoment(store: Store, log: readonly LogEntry[]): Promise<void> {
  const loaded = await store.loadAll().catch((error: unknown) => {
    expect(error).toBeInstanceOf(Unavailable);
    return null;
  });
  if (loaded === null) return;
  const then = replay(log, loaded.revision);
  const deleted = new Set(
    log
      .slice(loaded.revision)
      .flatMap(({ record, hosts }) => [
        ...(record.after === null ? [record.id as string] : []),
        ...hosts.flatMap(({ host, after }) => (after === null ? [host as string] : [])),
      ]),
  );
  const kept = <T>(items: readonly T[], id: (item: T) => string): T[] =>
    items.filter((item) => !deleted.has(id(item)));
  const { domains, mxHosts, certificates } = sorted(loaded);
  expect(kept(domains, (domain) => domain.name)).toEqual(kept(then.domains, (domain) => domain.name));
  expect(kept(mxHosts, (host) => host.host)).toEqual(kept(then.mxHosts, (host) => host.host));
  expect(certificates).toEqual(then.certificates);
}

describeOnAws("a region that takes over", () => {
  beforeEach(async () => {
    await open();
    await writer.putDomain({ name: "a.example", mxHosts: ["mx.example"] });
    await replication.deliver(await replication.take());
  });
  afterEach(close);

  it.each<[string, (change: ItemChange) => boolean]>([
    ["the head alone", isOf("HEAD")],
    ["an entry of the log alone", isOf("LOG")],
    ["records alone", isOf("domain", "mx-host")],
    ["all but the log", (change) => !isOf("LOG")(change)],
    ["nothing", () => false],
  ])("goes on by what has arrived of the last write: %s", async (_, hasArrived) => {
    const edge = edgeOn(away());
    await edge.poll(1);
    await writer.putDomain({ name: "b.example", mxHosts: ["mx2.example"] });
    const last = (await replication.take()).filter(hasArrived);
    await replication.deliver(last);
    const revision = await takeOver(tableIn(AWAY, replica));
    expect(revision).toBeGreaterThan(1);
    expect((await edge.poll(3)).at(-1)).toBe("loaded");
    expect(edge.revision()).toBe(revision);
    const entry = await new Writer(away()).putDomain({ name: "c.example", mxHosts: ["mx.example"] });
    expect(entry.revision).toBe(revision + 1);
    expect(await edge.poll(1)).toEqual(["applied"]);
    const { domains } = await away().loadAll();
    expect(domains.map((domain) => domain.name)).toEqual(expect.arrayContaining(["a.example", "c.example"]));
    expect(domains).toHaveLength(last.some(isOf("domain")) ? 3 : 2);
  });

  it("is the only writer from then on, until the other takes over again", async () => {
    const home = new Writer(storeIn(HOME, source));
    const other = new Writer(away());
    const back = replicationOf(replica, source);
    const revision = await takeOver(tableIn(AWAY, replica));
    await back.deliver(await back.take());
    await expect(home.putDomain({ name: "b.example" })).rejects.toEqual(
      new Unavailable(`settings are written in the region ${AWAY} alone`),
    );
    await expect(other.putDomain({ name: "b.example" })).resolves.toMatchObject({ revision: revision + 1 });
    await back.deliver(await back.take());
    const again = await takeOver(tableIn(HOME, source));
    expect(again).toBe(revision + 2);
    await expect(home.putDomain({ name: "c.example" })).resolves.toMatchObject({ revision: again + 1 });
    await replication.deliver(await replication.take());
    await expect(other.putDomain({ name: "d.example" })).rejects.toBeInstanceOf(Unavailable);
    expect(sorted(await away().loadAll())).toEqual(sorted(await storeIn(HOME, source).loadAll()));
  });

  it("does not use a table without settings", async () => {
    const empty = await createTestTable(undefined, { region: AWAY });
    await expect(takeOver(tableIn(AWAY, empty))).rejects.toBeInstanceOf(NotFound);
    await empty.delete();
  });
});
