import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { openAwsStores } from "../adapters/aws/aws-stores.ts";
import { createIdSource } from "../core/name/ids.ts";
import { Unavailable } from "../core/errors.ts";
import { DomainService } from "../core/management/domain-service.ts";
import { domainInput } from "../core/management/domain-schema.ts";
import { parseDocument } from "../core/management/input-fields.ts";
import { name } from "../test/support/records.ts";

/** One process of bench/writers.ts: instances of the API that share nothing but the table. */
export interface WriterOrder {
  readonly table: string;
  /** Prefix of its domains' names. */
  readonly prefix: string;
  readonly instances: number;
  readonly seconds: number;
  /** Each domain on an MX host of the same name, or all on one. */
  readonly hosts: "own" | "shared";
}

export interface WriterResult {
  /** Writes that were acknowledged within the measurement. */
  readonly written: number;
  /** Writes that began within the measurement. */
  readonly latenciesMs: readonly number[];
  readonly unavailable: number;
}

/** Before the measurement, so that no row includes the first compilation, here or in the emulator. */
const WARM_UP_MS = 4_000;
const ACTOR = { account: "default", name: "bench" };

function openService(table: string): { readonly service: DomainService; readonly close: () => void } {
  const stores = openAwsStores(
    { TABLE_NAME: table, KEY_BUCKET: "unused", KEY_KMS_KEY_ID: "unused" },
    Date.now,
  );
  const service = new DomainService({
    store: stores.store,
    vault: stores.keyVault,
    access: stores.access,
    defaultAccess: "none",
    edgeReports: stores.edgeReports,
    clock: { now: Date.now },
    ids: createIdSource(Date.now, (count) => crypto.getRandomValues(new Uint8Array(count))),
    operatorHosts: new Set(),
    makeSelfSigned: () => Promise.reject(new TypeError("no certificates here")),
    createCsr: () => Promise.reject(new TypeError("no certificates here")),
    readPkcs12: () => Promise.reject(new TypeError("no certificates here")),
    acmeDirectories: [],
    issuanceRequested: () => undefined,
    loadAtEdge: () => null,
    issuanceState: stores.issuanceState,
    readTxt: async () => [],
    issuer: null,
    retry: {
      now: () => performance.now(),
      random: Math.random,
      sleep: async (ms) => {
        await sleep(ms);
      },
    },
  });
  return { service, close: () => stores.close() };
}

async function write({ table, seconds, hosts }: WriterOrder, prefix: string): Promise<WriterResult> {
  const { service, close } = openService(table);
  const latenciesMs: number[] = [];
  let [written, unavailable] = [0, 0];
  const begin = performance.now() + WARM_UP_MS;
  const end = begin + seconds * 1000;
  for (let n = 0; performance.now() < end; n += 1) {
    const domain = `d${n}.${prefix}.example`;
    const input = parseDocument(domainInput, { mxHosts: [hosts === "own" ? domain : "mx.example"] });
    const start = performance.now();
    try {
      const options = { condition: { matches: null, matchesNot: null }, moveSharedHosts: false };
      await service.put({ actor: ACTOR, name: name(domain) }, input, options);
      const now = performance.now();
      if (begin <= now && now < end) written += 1;
      if (begin <= start) latenciesMs.push(now - start);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      unavailable += 1;
    }
  }
  close();
  return { written, latenciesMs, unavailable };
}

const order = JSON.parse(process.argv[2] ?? "") as WriterOrder;
process.send?.("ready");
await once(process, "message");
const results = await Promise.all(
  Array.from({ length: order.instances }, (_, n) => write(order, `i${n}.${order.prefix}`)),
);
process.send?.({
  written: results.reduce((sum, { written }) => sum + written, 0),
  latenciesMs: results.flatMap(({ latenciesMs }) => latenciesMs),
  unavailable: results.reduce((sum, { unavailable }) => sum + unavailable, 0),
} satisfies WriterResult);
process.disconnect();
