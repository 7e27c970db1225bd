import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SQLInputValue } from "node:sqlite";
import { parseArgs } from "node:util";
import { Database, type Row } from "../adapters/local/database.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import { createFreshness } from "../worker/settings/freshness.ts";
import { pollSettings } from "../worker/settings/poller.ts";
import { createSnapshotHolder } from "../worker/settings/snapshot-holder.ts";
import { createTrustContentLoader } from "../core/snapshot/trust-content-loader.ts";
import { placesIn, writeSettings } from "./bench-settings.ts";
import { findingText, machineText, savePage } from "./report.ts";

/*
 * A poll without news of the embedded store, at different numbers of domains: `node bench/poll-local.ts
 * [--save name]`. The poller is the worker's own, without its pauses. bench/poll.ts counts the units of
 * DynamoDB.
 */
const SIZES = [10, 10_000, 100_000];
const POLLS = 20_000;

type Values = SQLInputValue[];

/** Counts reads of the file. */
class CountingDatabase extends Database {
  reads = 0;

  override get(sql: string, ...values: Values): Row | undefined {
    this.reads += 1;
    return super.get(sql, ...values);
  }

  override all(sql: string, ...values: Values): Row[] {
    this.reads += 1;
    return super.all(sql, ...values);
  }
}

interface Cost {
  readonly reads: number;
  readonly cpuMs: number;
}

async function costOfPoll(domains: number): Promise<Cost> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  await writeSettings(directory, { domains, level: "require" });
  const database = new CountingDatabase(placesIn(directory).database, 1_000);
  const stopping = new AbortController();
  const vault = { get: () => Promise.reject(new Error("no trust store is there")) };
  let unchanged = 0;
  let start = { reads: 0, cpu: process.cpuUsage() };
  try {
    await pollSettings(
      {
        store: new SqliteStore(database),
        backup: null,
        trustContents: createTrustContentLoader(vault, () => undefined),
        holder: createSnapshotHolder(),
        freshness: createFreshness({ monotonicNow: () => performance.now(), silenceMs: 10_000 }),
      },
      {
        intervalMs: 0,
        maxBackoffMs: 0,
        random: () => 0.5,
        monotonicNow: () => performance.now(),
        sleep: () => Promise.resolve(),
        onEvent(event) {
          if (event.kind === "loaded") start = { reads: database.reads, cpu: process.cpuUsage() };
          else if (event.kind === "unchanged") unchanged += 1;
          else throw new Error(`a poll was ${event.kind}`);
          if (unchanged === POLLS) stopping.abort();
        },
      },
      stopping.signal,
    );
    const { user, system } = process.cpuUsage(start.cpu);
    return { reads: (database.reads - start.reads) / POLLS, cpuMs: (user + system) / 1000 / POLLS };
  } finally {
    database.close();
    rmSync(directory, { recursive: true });
  }
}

const { values } = parseArgs({ options: { save: { type: "string" } } });
const lines: string[] = [];
for (const domains of SIZES) {
  const { reads, cpuMs } = await costOfPoll(domains);
  const title = `poll without news at ${domains.toLocaleString("en")} domains`;
  lines.push(
    findingText({ what: `${title}: reads`, value: reads, unit: "", goal: { kind: "at-most", value: 1 } }),
    findingText({ what: `${title}: CPU`, value: cpuMs, unit: "ms", goal: { kind: "at-most", value: 1 } }),
  );
}
const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
const page = [machineText(commit), "", ...lines].join("\n");
process.stdout.write(`${page}\n`);
if (values.save !== undefined) savePage(values.save, page);
