import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { GetItemCommand } from "@aws-sdk/client-dynamodb";
import { keyItem, numberOf } from "../adapters/aws/dynamodb-table.ts";
import { HEAD_KEY } from "../adapters/aws/table-keys.ts";
import { type FaultProxy, startFaultProxy } from "../test/support/aws/fault-proxy.ts";
import { startEmulators } from "../test/support/aws/start-emulators.ts";
import { createTestTable } from "../test/support/aws/test-table.ts";
import { machineText, savePage } from "./report.ts";
import type { WriterOrder, WriterResult } from "./writer-process.ts";

/*
 * Writes of domains by many instances of the API at the same time, as Lambda runs them: none knows of the
 * others. `node bench/writers.ts [seconds] [instances …]` (20 1 10 30 100). Against DynamoDB Local behind a
 * proxy that gives each read 4 ms, each write of one item 6 ms and each transaction 20 ms. Each instance
 * writes its next domain when the one before was answered; `shared` rows have all domains on one MX host.
 * Prints a Markdown table and keeps it in bench/results.
 */
const [seconds = 20, ...given] = process.argv.slice(2).map(Number);
const INSTANCES = given.length > 0 ? given : [1, 10, 30, 100];
/** More instances than this share processes, each with its own client and store. */
const PROCESSES = 10;
const DELAYS = {
  GetItem: 4,
  BatchGetItem: 4,
  Query: 4,
  UpdateItem: 6,
  TransactWriteItems: 20,
} as const;

interface Row {
  readonly instances: number;
  readonly hosts: WriterOrder["hosts"];
  readonly result: WriterResult;
  readonly transactions: number;
  readonly requests: number;
  /** Writes in the log, those before and after the measurement too. */
  readonly stored: number;
}

async function measure(proxy: FaultProxy, instances: number, hosts: WriterOrder["hosts"]): Promise<Row> {
  const table = await createTestTable();
  const before = proxy.seen.length;
  const processes = Math.min(PROCESSES, instances);
  const children = Array.from({ length: processes }, (_, index) => {
    const own = Math.floor((instances + index) / processes);
    const order: WriterOrder = { table: table.name, prefix: `p${index}`, instances: own, seconds, hosts };
    return start(order, proxy.endpoint);
  });
  await Promise.all(children.map(async (child) => once(child, "message")));
  const results = children.map(async (child) => {
    child.send("go");
    const [result] = (await once(child, "message")) as [WriterResult];
    return result;
  });
  const all = await Promise.all(results);
  const stored = numberOf(
    (await table.client.send(new GetItemCommand({ TableName: table.name, Key: keyItem(HEAD_KEY) }))).Item,
    "head",
  );
  await table.delete();
  const seen = proxy.seen.slice(before);
  return {
    instances,
    hosts,
    result: {
      written: all.reduce((sum, { written }) => sum + written, 0),
      latenciesMs: all.flatMap(({ latenciesMs }) => latenciesMs),
      unavailable: all.reduce((sum, { unavailable }) => sum + unavailable, 0),
    },
    transactions: seen.filter(({ operation }) => operation === "TransactWriteItems").length,
    requests: seen.length,
    stored: stored ?? 0,
  };
}

function start(order: WriterOrder, endpoint: string): ChildProcess {
  const program = join(import.meta.dirname, "writer-process.ts");
  return fork(program, [JSON.stringify(order)], {
    env: { ...process.env, AWS_ENDPOINT_URL_DYNAMODB: endpoint },
  });
}

function cells({ instances, hosts, result, transactions, requests, stored }: Row): string[] {
  const sorted = result.latenciesMs.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    `${((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) / 1000).toFixed(2)} s`;
  return [
    `${instances}`,
    hosts,
    (result.written / seconds).toFixed(1),
    `${result.unavailable}`,
    at(0.5),
    at(0.99),
    at(1),
    (transactions / stored).toFixed(2),
    (requests / stored).toFixed(1),
  ];
}

const HEAD = [
  "instances",
  "hosts",
  "writes/s",
  "503",
  "median",
  "p99",
  "longest",
  "transactions a write",
  "requests a write",
];

const emulators = await startEmulators();
Object.assign(process.env, emulators.environment);
const proxy = await startFaultProxy(emulators.environment["AWS_ENDPOINT_URL_DYNAMODB"] ?? "");
try {
  for (const [operation, ms] of Object.entries(DELAYS)) proxy.always(operation, { kind: "slow", ms });
  const lines = [HEAD, HEAD.map(() => "---")];
  for (const hosts of ["own", "shared"] as const) {
    for (const instances of INSTANCES) {
      const line = cells(await measure(proxy, instances, hosts));
      process.stderr.write(`${line.join(" | ")}\n`);
      lines.push(line);
    }
  }
  const text = [machineText("working tree"), "", ...lines.map((line) => `| ${line.join(" | ")} |`)].join(
    "\n",
  );
  process.stdout.write(`${text}\n`);
  savePage("writers", text);
} finally {
  await proxy.close();
  await emulators.stop();
}
