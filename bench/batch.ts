import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAwsStores } from "../adapters/aws/aws-stores.ts";
import { openDatabase } from "../adapters/local/database.ts";
import { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import { SqliteAccessStore } from "../adapters/local/sqlite-access-store.ts";
import { SqliteEdgeReports } from "../adapters/local/sqlite-edge-reports.ts";
import { SqliteIssuanceState } from "../adapters/local/sqlite-issuance-state.ts";
import { SqliteKeptAnswers } from "../adapters/local/sqlite-kept-answers.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import type { Caller } from "../core/access/scope.ts";
import { CAPS } from "../core/limits.ts";
import { createIdSource } from "../core/name/ids.ts";
import { type ApiDependencies, createApp } from "../functions/api/app.ts";
import { bearerAuthentication } from "../functions/api/caller.ts";
import { startHttpServer } from "../local/http-server.ts";
import { createPostern, type Postern } from "../sdk/src/index.ts";
import { startEmulators } from "../test/support/aws/start-emulators.ts";
import { createTestTable } from "../test/support/aws/test-table.ts";
import { type Finding, findingText, machineText, savePage } from "./report.ts";

/*
 * Domains created by batches of 100 and by single writes: `node bench/batch.ts [domains]` (10000). One
 * client, which sends the next request when the one before is answered, through HTTP to the API in this
 * process: on the embedded store, and on DynamoDB Local. Each domain has an MX host of the same name. Prints
 * findings and keeps them in bench/results.
 */
const count = Number(process.argv[2] ?? 10_000);
const WARM_UP = 200;
const TOKEN = randomBytes(32).toString("base64url");
const CALLER: Caller = {
  account: "default",
  name: "bench",
  scopes: new Set(["domains:write"]),
  kind: "token",
  id: null,
  expiresAt: null,
};

type Stores = Pick<
  ApiDependencies,
  "store" | "vault" | "access" | "edgeReports" | "issuanceState" | "keptAnswers"
>;

interface OpenStores {
  readonly stores: Stores;
  readonly close: () => Promise<void>;
}

async function openEmbedded(): Promise<OpenStores> {
  const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
  const database = openDatabase(join(directory, "postern.sqlite"));
  return {
    stores: {
      store: new SqliteStore(database),
      vault: new FileKeyVault(join(directory, "vault")),
      access: new SqliteAccessStore(database),
      edgeReports: new SqliteEdgeReports(database, { now: Date.now }),
      issuanceState: new SqliteIssuanceState(database, { now: Date.now }),
      keptAnswers: new SqliteKeptAnswers(database, { now: Date.now }),
    },
    close: async () => {
      database.close();
      rmSync(directory, { recursive: true });
    },
  };
}

async function openDynamoDb(): Promise<OpenStores> {
  const table = await createTestTable();
  const config = { TABLE_NAME: table.name, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" };
  const opened = openAwsStores(config, Date.now);
  const { store, keyVault, access, edgeReports, issuanceState, keptAnswers } = opened;
  return {
    stores: { store, vault: keyVault, access, edgeReports, issuanceState, keptAnswers },
    close: async () => {
      opened.close();
      await table.delete();
    },
  };
}

interface Names {
  readonly prefix: string;
  readonly count: number;
}

/** Creates domains, in order. @throws unless each is created */
type Creation = (postern: Postern, names: Names) => Promise<void>;

const nameOf = ({ prefix }: Names, n: number): string => `d${n}.${prefix}.example`;

const byBatches: Creation = async (postern, names) => {
  for (let from = 0; from < names.count; from += CAPS.batchItems) {
    const length = Math.min(CAPS.batchItems, names.count - from);
    const items = Array.from({ length }, (_, index) => {
      const name = nameOf(names, from + index);
      return { name, put: { mxHosts: [name] } };
    });
    const results = await postern.domains.batch(items);
    const failed = results.find(({ status }) => status !== 201);
    if (failed !== undefined) throw new Error(`not created: ${JSON.stringify(failed)}`);
  }
};

const bySingleWrites: Creation = async (postern, names) => {
  for (let n = 0; n < names.count; n += 1) {
    const name = nameOf(names, n);
    await postern.domains.put(name, { mxHosts: [name] });
  }
};

/** Seconds that the creation takes on new stores. */
async function measure(open: () => Promise<OpenStores>, create: Creation): Promise<number> {
  const { stores, close } = await open();
  const app = createApp({
    ...stores,
    clock: { now: Date.now },
    ids: createIdSource(Date.now, randomBytes),
    operatorHosts: new Set(),
    loadAtEdge: () => null,
    readTxt: async () => [],
    authenticate: bearerAuthentication([{ token: TOKEN, actor: CALLER }], () => performance.now()),
    log: () => undefined,
  });
  const server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    fetch: (request, env) => app.fetch(request, env),
    onRefused: (refused) => process.stderr.write(`refused: ${JSON.stringify(refused)}\n`),
    onError: (error) => process.stderr.write(`${String(error)}\n`),
  });
  try {
    const postern = createPostern({ url: `http://127.0.0.1:${server.port}`, auth: { token: TOKEN } });
    await create(postern, { prefix: "warm-up", count: WARM_UP });
    const start = performance.now();
    await create(postern, { prefix: "measured", count });
    const seconds = (performance.now() - start) / 1000;
    const head = await stores.store.head();
    if (head !== WARM_UP + count) throw new Error(`the log ends at ${head}, not ${WARM_UP + count}`);
    return seconds;
  } finally {
    await server.close();
    await close();
  }
}

async function findingsOn(
  what: string,
  open: () => Promise<OpenStores>,
  atMostSeconds: number,
): Promise<readonly Finding[]> {
  const batches = await measure(open, byBatches);
  process.stderr.write(`${what}: ${count} domains by batches in ${batches.toFixed(1)} s\n`);
  const single = await measure(open, bySingleWrites);
  process.stderr.write(`${what}: ${count} domains by single writes in ${single.toFixed(1)} s\n`);
  const goal = count === 10_000 ? ({ kind: "at-most", value: atMostSeconds } as const) : null;
  return [
    { what: `${what}: ${count} domains by batches of ${CAPS.batchItems}`, value: batches, unit: "s", goal },
    { what: `${what}: by batches`, value: count / batches, unit: "domains/s", goal: null },
    { what: `${what}: ${count} domains by single writes`, value: single, unit: "s", goal: null },
    { what: `${what}: by single writes`, value: count / single, unit: "domains/s", goal: null },
    {
      what: `${what}: batches over single writes`,
      value: single / batches,
      unit: "x",
      goal: { kind: "at-least", value: 10 },
    },
  ];
}

const emulators = await startEmulators();
Object.assign(process.env, emulators.environment);
try {
  const findings = [
    ...(await findingsOn("embedded store", openEmbedded, 60)),
    ...(await findingsOn("DynamoDB Local", openDynamoDb, 300)),
  ];
  const text = [machineText("working tree"), "", ...findings.map(findingText)].join("\n");
  process.stdout.write(`${text}\n`);
  savePage("batch", text);
} finally {
  await emulators.stop();
}
