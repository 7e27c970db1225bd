import { randomBytes } from "node:crypto";
import { FileKeyVault } from "../../adapters/local/file-key-vault.ts";
import { openDatabase } from "../../adapters/local/database.ts";
import { SqliteEdgeReports } from "../../adapters/local/sqlite-edge-reports.ts";
import { SqliteStore } from "../../adapters/local/sqlite-store.ts";
import { createDeliveryRouter } from "../../core/delivery/delivery-router.ts";
import { createIdSource } from "../../core/name/ids.ts";
import { createSelfSigned } from "../../core/x509/self-signed.ts";
import { parseConfig } from "../../worker/config/config.ts";
import { startEdge } from "../../worker/edge/edge.ts";
import { startWorker } from "../../worker/worker.ts";

/**
 * A worker alone, on a settings file that other processes share: database, vault and poll interval are its
 * arguments. Sends its id once its first settings are in force; ends with its parent.
 */
const [databasePath = "", vaultPath = "", pollIntervalMs = ""] = process.argv.slice(2);
const clock = { now: () => Date.now() };
const database = openDatabase(databasePath);
const { material } = await createSelfSigned({ names: ["gate.example"] }, { nowMs: clock.now() });
const edgeId = createIdSource(clock.now, randomBytes).edge();
const worker = await startWorker({
  config: parseConfig(
    { SMTP_PORT: "0", HEALTH_PORT: "0", SETTINGS_POLL_INTERVAL_MS: pollIntervalMs },
    { cwd: "/", hostName: "gate.example" },
  ),
  store: new SqliteStore(database),
  vault: new FileKeyVault(vaultPath),
  edgeReports: new SqliteEdgeReports(database, clock),
  edgeId,
  release: "0.0.0",
  delivery: createDeliveryRouter({}),
  chainVerifier: null,
  defaultCertificate: material,
  publicRoots: [],
  clock,
  log: () => undefined,
  writeMetrics: () => undefined,
  startEdge,
});
await worker.firstSnapshot;
process.once("disconnect", () => {
  void worker
    .drain()
    .then(() => worker.stop())
    .then(() => database.close());
});
process.send?.(edgeId);
