import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { rootCertificates } from "node:tls";
import { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import { openAwsStores } from "../adapters/aws/aws-stores.ts";
import { openMailBucket } from "../adapters/aws/mail-bucket.ts";
import { createS3Client } from "../adapters/aws/s3-client.ts";
import { S3SnapshotBackups } from "../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../adapters/aws/service-calls.ts";
import { createMaildir } from "../adapters/local/maildir-directories.ts";
import { createMaildirDelivery } from "../adapters/local/maildir.ts";
import { createOpenSslChainVerifier } from "../adapters/openssl/openssl-chain-verifier.ts";
import { createSmtpDelivery } from "../adapters/smtp/smtp-delivery.ts";
import { createIdSource } from "../core/name/ids.ts";
import type { Clock } from "../core/clock.ts";
import { createDeliveryRouter } from "../core/delivery/delivery-router.ts";
import type { Endpoint } from "../core/delivery/next-hop-policy.ts";
import { EXIT_WRONG_ENVIRONMENT, readEnvironment, WrongEnvironment } from "../core/environment.ts";
import { type Config, describeConfig, parseConfig, WrongConfig } from "./config/config.ts";
import { startEdge } from "./edge/edge.ts";
import { makeOwnCertificate } from "./tls/own-certificate.ts";
import { type Starting, runProcess } from "./process/process.ts";
import type { BackupSource } from "./settings/poller.ts";
import { StartFailure } from "./process/start-failure.ts";
import { startWorker, type Worker, type WorkerOptions } from "./worker.ts";
import manifest from "../package.json" with { type: "json" };

/** The SMTP worker on AWS, a process of its own: where its adapters are chosen. The log is on standard output. */

/** An edge writes no keys, so it needs no key of KMS to write them under. */
const storesSchema = awsConfigSchema.partial({ KEY_KMS_KEY_ID: true });
type StoresConfig = ReturnType<typeof readStores>;

const DAY_MS = 24 * 3600 * 1000;
/** Objects of some megabytes, on a start that waits for nothing else. */
const BACKUP_LIMITS = { deadlineMs: 30_000, tryMs: 15_000 };

const now = (): number => Date.now();
const clock: Clock = { now };

interface Environment {
  readonly config: Config;
  readonly stores: StoresConfig;
}

const readStores = () => readEnvironment(storesSchema, process.env);

/** null = it is wrong; every variable that is has been named. */
function readConfig(): Environment | null {
  const wrong: string[] = [];
  const attempt = <T>(read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof WrongConfig || error instanceof WrongEnvironment)) throw error;
      wrong.push(error.message);
      return null;
    }
  };
  const config = attempt(readWorkerConfig);
  const stores = attempt(readStores);
  if (config !== null && stores !== null) return { config, stores };
  process.stderr.write(`The worker cannot start.\n${wrong.join("\n")}\n`);
  return null;
}

/** The default of DELIVERY is a folder beside the settings: here it would be a disk that ends with the task, and all mail with it. */
function readWorkerConfig(): Config {
  const config = parseConfig(process.env, { cwd: process.cwd(), hostName: hostname() });
  if (process.env["DELIVERY"]) return config;
  throw new WrongConfig([{ variable: "DELIVERY", reason: "is not set" }]);
}

async function start(
  { config, stores }: Environment,
  { log, writeLine, addEnding }: Starting,
): Promise<void> {
  const release = manifest.version;
  const places = { STORE: stores.STORE, TABLE_NAME: stores.TABLE_NAME, KEY_BUCKET: stores.KEY_BUCKET };
  const shown = { ...describeConfig(config), ...places };
  log("starting", { release, pid: process.pid, node: process.version, config: shown });
  const opened = openAwsStores({ ...stores, KEY_KMS_KEY_ID: stores.KEY_KMS_KEY_ID ?? "" }, now);
  addEnding({ name: "stores", run: async () => opened.close() });
  const verifier = await createOpenSslChainVerifier({
    clock,
    maxPerClientPerMinute: config.limits.maxChainVerificationsPerClient,
  });
  addEnding({ name: "chain verifier", run: () => verifier.close() });
  if (!verifier.available) log("chain-verifier-missing", { problem: verifier.problem });

  const { delivery, setListeners } = await createDelivery(config);
  const worker = await startWorker({
    config,
    store: opened.store,
    vault: opened.keyVault,
    backup: backupOf(stores),
    edgeReports: opened.edgeReports,
    edgeId: createIdSource(now, randomBytes).edge(),
    release,
    delivery,
    chainVerifier: verifier,
    defaultCertificate: (await makeOwnCertificate(config.smtpName, now())).material,
    publicRoots: rootCertificates,
    clock,
    log,
    writeMetrics: writeLine,
    startEdge,
  });
  setListeners(worker.edge.listeners);
  addEnding({
    name: "worker",
    run: async ({ hurry }) => {
      await worker.drain(hurry);
      await worker.stop();
    },
  });
  const renewal = keepOwnCertificateFresh(config, worker, log);
  addEnding({ name: "renewal", run: async () => clearInterval(renewal) });
  log("started", {
    release,
    listeners: worker.edge.listeners,
    health: { host: config.apiHost, port: worker.healthPort },
  });
}

/** @throws StartFailure when a maildir cannot be made: found out here, rather than at the first message. */
async function createDelivery(config: Config): Promise<{
  readonly delivery: WorkerOptions["delivery"];
  readonly setListeners: (listeners: readonly Endpoint[]) => void;
}> {
  const { delivery: route } = config;
  if (route.kind === "maildir") {
    await createMaildir(route.directory, now()).catch((cause: unknown) => {
      throw new StartFailure("DELIVERY", `${route.directory} cannot be used as a maildir`, { cause });
    });
  }
  let ownListeners: readonly Endpoint[] = [];
  const nextHop = createSmtpDelivery({
    name: config.smtpName,
    limits: config.limits,
    allow: config.deliveryAllow,
    ownListeners: () => ownListeners,
  });
  const s3 = openMailBucket(clock);
  return {
    delivery: createDeliveryRouter({ nextHop, s3, maildir: createMaildirDelivery({ clock }) }),
    setListeners: (listeners) => {
      ownListeners = listeners;
    },
  };
}

function backupOf({ KEY_BUCKET: bucket }: StoresConfig): BackupSource {
  const calls = new ServiceCalls("snapshot's backup", BACKUP_LIMITS);
  const backups = new S3SnapshotBackups({ client: createS3Client(), calls, bucket, kmsKeyId: null });
  return {
    read: async () => {
      const backup = await backups.read();
      if (backup === null) return null;
      return { contents: backup.contents, ageMs: Math.max(0, now() - Date.parse(backup.at)) };
    },
  };
}

/** A new one each day: it says nothing to anybody but that it is self-signed, and so it never ends. */
const keepOwnCertificateFresh = (
  { smtpName }: Config,
  { edge }: Worker,
  log: Starting["log"],
): NodeJS.Timeout =>
  setInterval(() => {
    makeOwnCertificate(smtpName, now()).then(
      ({ material }) => edge.replaceDefaultCertificate(material),
      (error: unknown) => log("default-certificate-problem", { error }),
    );
  }, DAY_MS);

const environment = readConfig();
if (environment === null) process.exitCode = EXIT_WRONG_ENVIRONMENT;
else
  await runProcess({
    logLevel: environment.config.logLevel,
    logTo: 1,
    drainMs: environment.config.limits.drainMs,
    start: (starting) => start(environment, starting),
    onFailure: (reason) => void process.stderr.write(`The worker cannot start.\n${reason}\n`),
  });
