import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { pino } from "pino";
import { openDatabase } from "../adapters/local/database.ts";
import { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import { SqliteEdgeReports } from "../adapters/local/sqlite-edge-reports.ts";
import { SqliteStore } from "../adapters/local/sqlite-store.ts";
import { createOpenSslChainVerifier } from "../adapters/openssl/openssl-chain-verifier.ts";
import { createIdSource } from "../core/name/ids.ts";
import { decodeMaterial } from "../core/x509/serving-material.ts";
import type { DeliveryTarget } from "../core/delivery/delivery.ts";
import { parseConfig } from "../worker/config/config.ts";
import { startEdge } from "../worker/edge/edge.ts";
import { createLog } from "../worker/telemetry/log.ts";
import { startWorker } from "../worker/worker.ts";
import { placesIn } from "./bench-settings.ts";
import { serveParent } from "./measured-process.ts";

/*
 * The worker as local/main.ts runs it, without the API, on the settings that lie in the directory named by
 * the first argument. Only the delivery differs: it reads a message to its end and discards it.
 */
const discarding: DeliveryTarget = {
  begin: () => ({
    recipient: async () => ({ kind: "accepted" }),
    async message(message) {
      // Octets are counted so that the loop has a body.
      let octets = 0;
      for await (const chunk of message) octets += chunk.length;
      return octets > 0
        ? { kind: "accepted" }
        : { kind: "refused", code: 451, text: "4.3.0 empty", cause: "message" };
    },
    abort: () => undefined,
  }),
  close: async () => undefined,
};

const directory = process.argv[2] ?? ".";
const places = placesIn(directory);
const clock = { now: (): number => Date.now() };
const config = parseConfig(
  { SMTP_NAME: "mx.example.net", SMTP_PORT: "0", HEALTH_PORT: "0", DATA_DIR: directory },
  { cwd: directory, hostName: null },
);
const database = openDatabase(places.database);
const destination = pino.destination({ dest: join(directory, "worker.log"), sync: false });
const worker = await startWorker({
  config,
  store: new SqliteStore(database),
  vault: new FileKeyVault(places.vault),
  edgeReports: new SqliteEdgeReports(database, clock),
  edgeId: createIdSource(() => clock.now(), randomBytes).edge(),
  release: "bench",
  delivery: discarding,
  chainVerifier: await createOpenSslChainVerifier({ clock, maxPerClientPerMinute: 10 }),
  defaultCertificate: decodeMaterial(readFileSync(join(directory, "default-certificate.json"))),
  publicRoots: rootCertificates,
  clock,
  writeMetrics: () => undefined,
  log: createLog({ level: config.logLevel, write: (line) => void destination.write(line) }),
  startEdge,
});
await worker.firstSnapshot;
const smtpPort = worker.edge.listeners[0]?.port ?? 0;
serveParent({ smtpPort, healthPort: worker.healthPort });
