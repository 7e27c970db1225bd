import { hostname } from "node:os";
import { awsConfigSchema } from "../adapters/aws/aws-config.ts";
import { openAwsStores } from "../adapters/aws/aws-stores.ts";
import { createS3Client } from "../adapters/aws/s3-client.ts";
import { S3SnapshotBackups } from "../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../adapters/aws/service-calls.ts";
import type { Clock } from "../core/clock.ts";
import {
  EXIT_WRONG_ENVIRONMENT,
  readBoth,
  readEnvironment,
  type VariableProblem,
  WrongEnvironment,
} from "../core/environment.ts";
import { composeWorker } from "./compose-worker.ts";
import { type Config, describeConfig, parseConfig } from "./config/config.ts";
import { makeOwnCertificate } from "./tls/own-certificate.ts";
import { type Starting, runProcess } from "./process/process.ts";
import type { BackupSource } from "./settings/poller.ts";
import manifest from "../package.json" with { type: "json" };

/**
 * The SMTP worker as a process on AWS: its settings come from DynamoDB and S3, and its log is on standard
 * output.
 */

/** An edge writes no keys, so it needs no key of KMS to write them under. */
const storesSchema = awsConfigSchema.partial({ KEY_KMS_KEY_ID: true });
type StoresConfig = ReturnType<typeof readStores>;

/** Objects of some megabytes, on a start that waits for nothing else. */
const BACKUP_LIMITS = { deadlineMs: 30_000, tryMs: 15_000 };

const now = (): number => Date.now();
const clock: Clock = { now };

interface Environment {
  readonly config: Config;
  readonly stores: StoresConfig;
}

const readStores = () => readEnvironment(storesSchema, process.env);

/** null when a variable is wrong; each problem is then on standard error. */
function readConfig(): Environment | null {
  try {
    const [config, stores] = readBoth(readWorkerConfig, readStores);
    return { config, stores };
  } catch (error) {
    if (!(error instanceof WrongEnvironment)) throw error;
    process.stderr.write(`The worker cannot start.\n${error.message}\n`);
    return null;
  }
}

function readWorkerConfig(): Config {
  const config = parseConfig(process.env, { cwd: process.cwd(), hostName: hostname() });
  const problems: VariableProblem[] = [];
  // Its default is a folder beside the settings: here that is a disk that ends with the task, and all mail
  // with it.
  if (!process.env["DELIVERY"]) problems.push({ variable: "DELIVERY", reason: "is not set" });
  // It was the address of HEALTH_PORT before HEALTH_HOST was. Ignored, the port would open to others, or
  // close to its checks.
  if (process.env["API_HOST"])
    problems.push({ variable: "API_HOST", reason: "is not a variable of a worker; set HEALTH_HOST" });
  if (problems.length > 0) throw new WrongEnvironment(problems);
  return config;
}

async function start({ config, stores }: Environment, starting: Starting): Promise<void> {
  const { log, addEnding } = starting;
  const release = manifest.version;
  const places = { STORE: stores.STORE, TABLE_NAME: stores.TABLE_NAME, KEY_BUCKET: stores.KEY_BUCKET };
  const shown = { ...describeConfig(config), ...places };
  log("starting", { release, pid: process.pid, node: process.version, config: shown });
  const opened = openAwsStores({ ...stores, KEY_KMS_KEY_ID: stores.KEY_KMS_KEY_ID ?? "" }, now);
  addEnding({ name: "stores", run: async () => opened.close() });
  const makeCertificate = async () => (await makeOwnCertificate(config.smtpName, now())).material;
  const { worker } = await composeWorker(
    {
      config,
      release,
      clock,
      store: opened.store,
      vault: opened.keyVault,
      edgeReports: opened.edgeReports,
      backup: backupOf(stores),
      defaultCertificate: await makeCertificate(),
      // No sender can know it but as self-signed, so a new one each day changes nothing, and none expires.
      renewDefaultCertificate: makeCertificate,
    },
    starting,
  );
  log("started", {
    release,
    listeners: worker.edge.listeners,
    health: { host: config.healthHost, port: worker.healthPort },
  });
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
