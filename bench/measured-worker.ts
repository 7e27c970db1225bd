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
import type { EdgeReports } from "../core/edge-report/edge-reports.ts";
import { createIdSource } from "../core/name/ids.ts";
import { decodeMaterial } from "../core/x509/serving-material.ts";
import type { DeliveryTarget } from "../core/delivery/delivery.ts";
import { parseConfig } from "../worker/config/config.ts";
import { startEdge } from "../worker/edge/edge.ts";
import type { EdgeEventSink } from "../worker/event/edge-event.ts";
import { createLog } from "../worker/telemetry/log.ts";
import { startWorker } from "../worker/worker.ts";
import { placesIn } from "./bench-settings.ts";
import type { ServerPorts } from "./measured-process.ts";

/** Reads a message to its end and discards it. */
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

export interface MeasuredWorkerOptions {
  /** Receives the events of the edge, before the worker does. */
  readonly observe?: EdgeEventSink;
  /** Absent = in the same database, as under `npm start`. */
  readonly edgeReports?: Pick<EdgeReports, "report" | "remove">;
}

/**
 * The worker as local/main.ts runs it, without the API, on the settings that lie in `directory`. Only the
 * delivery differs.
 */
export async function startMeasuredWorker(
  directory: string,
  { observe, edgeReports }: MeasuredWorkerOptions = {},
): Promise<ServerPorts> {
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
    edgeReports: edgeReports ?? new SqliteEdgeReports(database, clock),
    edgeId: createIdSource(() => clock.now(), randomBytes).edge(),
    release: "bench",
    delivery: discarding,
    chainVerifier: await createOpenSslChainVerifier({ clock, maxPerClientPerMinute: 10 }),
    defaultCertificate: decodeMaterial(readFileSync(join(directory, "default-certificate.json"))),
    publicRoots: rootCertificates,
    clock,
    writeMetrics: () => undefined,
    log: createLog({ level: config.logLevel, write: (line) => void destination.write(line) }),
    startEdge: (options) =>
      startEdge({
        ...options,
        onEvent: (event) => {
          observe?.(event);
          options.onEvent(event);
        },
      }),
  });
  await worker.firstSnapshot;
  return { smtpPort: worker.edge.listeners[0]?.port ?? 0, healthPort: worker.healthPort };
}
