import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { type Database, openDatabase } from "../adapters/local/database.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import type { DomainRecord } from "../core/record/domain.ts";
import type { Store } from "../core/store/store.ts";
import { BUILT_AT, domainRecord } from "../test/support/records.ts";

/*
 * The embedded store at many domains: `node bench/store-load.ts [domains]` (100000). Prints one JSON line:
 * full load and the longest pause of the process in it, polls without news, commits, one list page.
 */
const count = Number(process.argv[2] ?? 100_000);

const domain = (n: number): DomainRecord =>
  domainRecord({
    name: `d${n}.example.net`,
    mxHosts: [`mx${n % 1000}.example.net`],
    server: { level: "require" },
  });

async function create(store: Store, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    const after = domain(n);
    await store.commit({
      record: { kind: "domain", id: after.name, before: null, after },
      hosts: [],
      uses: [],
      account: "default",
      actor: "bench",
      at: BUILT_AT,
      expectedHead: n,
    });
  }
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

async function measure(database: Database): Promise<Record<string, number>> {
  const store = new SqliteStore(database);
  database.script("PRAGMA synchronous = OFF");
  const seedMs = await timed(() => create(store, 0, count));
  database.script("PRAGMA synchronous = FULL");
  const commitMs = await timed(() => create(store, count, count + 200));
  const before = process.memoryUsage().rss;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const loads = [await timed(() => store.loadAll()), await timed(() => store.loadAll())];
  delay.disable();
  const head = await store.head();
  const polls = 10_000;
  const pollMs = await timed(async () => {
    for (let n = 0; n < polls; n += 1) await store.changesAfter(head, 500);
  });
  const list = () => store.listDomains({ account: "default", prefix: "d5" }, { limit: 200, after: "d55" });
  return {
    domains: count,
    seedSeconds: round(seedMs / 1000),
    commitMs: round(commitMs / 200),
    firstLoadMs: round(loads[0] ?? 0),
    secondLoadMs: round(loads[1] ?? 0),
    longestPauseMs: round(delay.max / 1e6),
    rssGrowthMb: round((process.memoryUsage().rss - before) / 1e6),
    pollWithoutNewsMs: round(pollMs / polls),
    listPageMs: round(await timed(list)),
  };
}

const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
const database = openDatabase(join(directory, "postern.sqlite"));
try {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}`;
  process.stdout.write(`${JSON.stringify({ machine, ...(await measure(database)) })}\n`);
} finally {
  database.close();
  rmSync(directory, { recursive: true });
}
