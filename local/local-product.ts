import { randomBytes } from "node:crypto";
import { rootCertificates } from "node:tls";
import { createMaildir } from "../adapters/local/maildir-directories.ts";
import { createMaildirDelivery } from "../adapters/local/maildir.ts";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../adapters/openssl/openssl-chain-verifier.ts";
import { createSmtpDelivery } from "../adapters/smtp/smtp-delivery.ts";
import { createIdSource } from "../core/name/ids.ts";
import type { Clock } from "../core/clock.ts";
import { createDeliveryRouter } from "../core/delivery/delivery-router.ts";
import type { Endpoint } from "../core/delivery/next-hop-policy.ts";
import { describeRoute } from "../core/delivery/route.ts";
import type { ReportedListener } from "../core/edge-report/edge-reports.ts";
import { type Config, describeConfig } from "../worker/config/config.ts";
import { startEdge } from "../worker/edge/edge.ts";
import type { Log } from "../worker/telemetry/log.ts";
import type { ShutdownStep } from "../worker/process/shutdown.ts";
import { StartFailure } from "../worker/process/start-failure.ts";
import { startWorker, type Worker } from "../worker/worker.ts";
import { type ApiToken, obtainApiToken } from "./api-token.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { type DefaultCertificate, obtainDefaultCertificate } from "./default-certificate.ts";
import { codeOf, removeIfThere, writeDurably } from "./durable-file.ts";
import type { HttpServer } from "./http-server.ts";
import { startLocalApi } from "./local-api.ts";
import { checkDatabaseFile, checkEverWritten } from "./lost-settings.ts";
import type { Running } from "./running.ts";
import { startSchedule } from "./schedule.ts";
import { type LocalStores, openStores } from "./local-stores.ts";

export interface LocalProductOptions {
  readonly config: Config;
  readonly release: string;
  readonly log: Log;
  /** `--new`: empty settings are meant although DATA_DIR was used before. */
  readonly beginsEmpty: boolean;
  /** Takes a line that goes where the log goes, with its newline. */
  readonly writeLine: (line: string) => void;
  /** Takes what is to be ended, in order of its start; ended in reverse, also when the start fails half-way. */
  readonly addEnding: (step: ShutdownStep) => void;
}

/** API and worker, serving. */
export interface LocalProduct {
  readonly running: Running;
  readonly listeners: readonly ReportedListener[];
  readonly token: ApiToken;
  readonly tokenPath: string;
  /** What a person should know at once. */
  readonly notes: readonly string[];
  /** False = nothing is enforced yet: the settings could not be read. */
  readonly hasSettings: boolean;
}

/** Settings in DATA_DIR are read within milliseconds; a start does not wait for ever where they cannot be. */
const FIRST_SNAPSHOT_WITHIN_MS = 10_000;
const DAY_MS = 24 * 3600 * 1000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/**
 * Starts API and worker in this process, on what DATA_DIR keeps.
 *
 * @throws StartFailure naming the variable: DATA_DIR is in use or broken, or an address cannot be bound.
 */
export async function startLocalProduct(options: LocalProductOptions): Promise<LocalProduct> {
  const { config, release, log, addEnding } = options;
  log("starting", { release, pid: process.pid, node: process.version, config: describeConfig(config) });
  const clock: Clock = { now: () => Date.now() };
  const data = openDataDirectory(config.dataDir);
  addEnding({ name: "lock", run: async () => data.release() });
  removeIfThere(data.fileAt("running"));
  if (!options.beginsEmpty) checkDatabaseFile(data);
  // Before anything else is made here: what a start that failed leaves must not look like a DATA_DIR that lost its settings.
  const stores = await openStores({ data, clock, log, addEnding });
  if (!options.beginsEmpty) checkEverWritten(data, await stores.store.head());
  const token = obtainApiToken(data.fileAt("apiToken"), config.apiToken);
  const obtainCertificate = async (): Promise<DefaultCertificate> => {
    const path = data.fileAt("defaultCertificate");
    const obtained = await obtainDefaultCertificate({ path, name: config.smtpName, nowMs: clock.now() });
    if (obtained.isNew) log("default-certificate-made", { names: obtained.names });
    if (obtained.problem !== null) log("default-certificate-problem", { problem: obtained.problem });
    return obtained;
  };
  const certificate = await obtainCertificate();

  const verifier = await startVerifier(options, clock);
  const worker = await startWorkerOn(options, { stores, verifier, certificate, clock });
  const api = await startLocalApi({ config, log, token: token.token, certificate, clock, worker, ...stores });
  addEnding({
    name: "traffic",
    run: async ({ hurry }) => {
      await Promise.all([api.close(), worker.drain(hurry)]);
    },
  });

  const renewal = keepCertificateFresh({ worker, log, obtainCertificate });
  addEnding({ name: "renewal", run: async () => clearInterval(renewal) });
  const schedule = startSchedule({ ...stores, clock, log });
  addEnding({ name: "schedule", run: () => schedule.stop() });

  const isHeld = await withinMs(FIRST_SNAPSHOT_WITHIN_MS, worker.firstSnapshot);
  const running = describeRunning(config, worker, api);
  writeDurably(data.fileAt("running"), `${JSON.stringify(running, null, 2)}\n`);
  addEnding({ name: "running", run: async () => removeIfThere(data.fileAt("running")) });
  log("started", { release, ...running, listeners: worker.edge.listeners, dataDir: config.dataDir });
  const notes = notesOf({ data, verifier, certificate, isHeld, clock });
  return {
    running,
    listeners: worker.edge.listeners,
    token,
    tokenPath: data.fileAt("apiToken"),
    notes,
    hasSettings: isHeld,
  };
}

async function startVerifier(
  { config, log, addEnding }: LocalProductOptions,
  clock: Clock,
): Promise<OpenSslChainVerifier> {
  const verifier = await createOpenSslChainVerifier({
    clock,
    maxPerClientPerMinute: config.limits.maxChainVerificationsPerClient,
  });
  addEnding({ name: "chain verifier", run: () => verifier.close() });
  if (!verifier.available) log("chain-verifier-missing", { problem: verifier.problem });
  return verifier;
}

interface WorkerParts {
  readonly stores: LocalStores;
  readonly verifier: OpenSslChainVerifier;
  readonly certificate: DefaultCertificate;
  readonly clock: Clock;
}

async function startWorkerOn(
  { config, release, log, writeLine, addEnding }: LocalProductOptions,
  { stores, verifier, certificate, clock }: WorkerParts,
): Promise<Worker> {
  await checkDelivery(config, clock);
  // AWS's client is half a second of start that nobody else pays for.
  const s3 =
    config.delivery.kind === "s3"
      ? (await import("../adapters/aws/mail-bucket.ts")).openMailBucket(clock)
      : undefined;
  let ownListeners: readonly Endpoint[] = [];
  const nextHop = createSmtpDelivery({
    name: config.smtpName,
    limits: config.limits,
    allow: config.deliveryAllow,
    ownListeners: () => ownListeners,
  });
  const worker = await startWorker({
    config,
    ...stores,
    edgeId: createIdSource(() => clock.now(), randomBytes).edge(),
    release,
    delivery: createDeliveryRouter({ nextHop, s3, maildir: createMaildirDelivery({ clock }) }),
    chainVerifier: verifier,
    defaultCertificate: certificate.material,
    publicRoots: rootCertificates,
    clock,
    log,
    writeMetrics: writeLine,
    startEdge,
  });
  ownListeners = worker.edge.listeners;
  addEnding({
    name: "worker",
    run: async ({ hurry }) => {
      await worker.drain(hurry);
      await worker.stop();
    },
  });
  return worker;
}

/** Once a day: a file made here is renewed in time, and one that the operator put there is served without a restart. */
function keepCertificateFresh({
  worker,
  log,
  obtainCertificate,
}: {
  readonly worker: Worker;
  readonly log: Log;
  readonly obtainCertificate: () => Promise<DefaultCertificate>;
}): NodeJS.Timeout {
  const renew = async (): Promise<void> => {
    try {
      worker.edge.replaceDefaultCertificate((await obtainCertificate()).material);
    } catch (error) {
      log("default-certificate-problem", { error });
    }
  };
  return setInterval(() => void renew(), DAY_MS);
}

/** What would be found at the first message otherwise, by the client. */
async function checkDelivery({ delivery }: Config, clock: Clock): Promise<void> {
  if (delivery.kind !== "maildir") return;
  try {
    await createMaildir(delivery.directory, clock.now());
  } catch (error) {
    const reason = `${delivery.directory} cannot be used as a maildir (${String(codeOf(error))})`;
    throw new StartFailure("DELIVERY", reason, { cause: error });
  }
}

function describeRunning(config: Config, worker: Worker, api: HttpServer): Running {
  const [shared] = worker.edge.listeners;
  return {
    pid: process.pid,
    api: { host: config.apiHost, port: api.port },
    smtp: { host: shared?.address ?? "", port: shared?.port ?? 0 },
    health: { host: config.apiHost, port: worker.healthPort },
    smtpName: config.smtpName,
    maildir: config.delivery.kind === "maildir" ? config.delivery.directory : null,
    delivery: describeRoute(config.delivery),
  };
}

function notesOf(found: {
  readonly data: DataDirectory;
  readonly verifier: OpenSslChainVerifier;
  readonly certificate: DefaultCertificate;
  readonly isHeld: boolean;
  readonly clock: Clock;
}): readonly string[] {
  const { data, verifier, certificate, isHeld, clock } = found;
  const notes: string[] = [];
  if (!isHeld) notes.push("the settings could not be read yet; mail is put off with 421 until they are");
  if (data.isOpenToOthers)
    notes.push(`others may look into ${data.path}; what is kept there is closed to them`);
  if (!verifier.available) {
    notes.push(`client certificates are judged in the handshake only (${verifier.problem ?? "no openssl"})`);
  }
  if (certificate.problem !== null)
    notes.push(
      `your default certificate is served, and senders that verify reject it: ${certificate.problem}`,
    );
  else if (certificate.notAfterMs - clock.now() < WARN_BEFORE_MS)
    notes.push("your default certificate ends within 30 days");
  return notes;
}

/** @returns false when `done` took longer. */
async function withinMs(ms: number, done: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([done.then(() => true), late]);
  clearTimeout(timer);
  return result;
}
