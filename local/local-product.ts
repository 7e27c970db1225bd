import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../adapters/openssl/openssl-chain-verifier.ts";
import type { Clock } from "../core/clock.ts";
import { describeRoute } from "../core/delivery/route.ts";
import type { ReportedListener } from "../core/edge-report/edge-reports.ts";
import { composeWorker } from "../worker/compose-worker.ts";
import type { Log } from "../core/log-event.ts";
import type { ShutdownStep } from "../worker/process/shutdown.ts";
import type { Worker } from "../worker/worker.ts";
import { type ApiToken, obtainApiToken } from "./api-token.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { type DefaultCertificate, obtainDefaultCertificate } from "./default-certificate.ts";
import { removeIfThere, writeDurably } from "./durable-file.ts";
import type { HttpServer } from "./http-server.ts";
import { startLocalApi } from "./local-api.ts";
import { checkDatabaseFile, checkEverWritten } from "./lost-settings.ts";
import type { Running } from "./running.ts";
import { createLocalIssuance, createLocalOwnership, endLeases } from "./local-issuance.ts";
import { type LocalSchedule, type LocalScheduleOptions, startSchedule } from "./schedule.ts";
import { describeLocalConfig, type LocalConfig } from "./local-config.ts";
import { openStores } from "./local-stores.ts";

export interface LocalProductOptions {
  readonly config: LocalConfig;
  readonly release: string;
  readonly log: Log;
  /** `--new`: empty settings are meant although DATA_DIR was used before. */
  readonly beginsEmpty: boolean;
  /** Takes a line that goes where the log goes, with its newline. */
  readonly writeLine: (line: string) => void;
  /**
   * Takes what is to be ended, in order of its start; ended in reverse, also when the start fails half-way.
   */
  readonly addEnding: (step: ShutdownStep) => void;
}

/** API and worker, serving. */
export interface LocalProduct {
  readonly running: Running;
  readonly listeners: readonly ReportedListener[];
  readonly token: ApiToken;
  readonly tokenPath: string;
  /** Facts that a person should know at once. */
  readonly notes: readonly string[];
  /** False = nothing is enforced yet: the settings could not be read. */
  readonly hasSettings: boolean;
}

/**
 * Settings in DATA_DIR are read within milliseconds; a start does not wait longer where they cannot be read.
 */
const FIRST_SNAPSHOT_WITHIN_MS = 10_000;
/**
 * One process at a time beside those that live mail has: no caller of the API can hold what a sender waits
 * for. The number of verifications is that of each caller.
 */
const EVALUATIONS = {
  maxPerClientPerMinute: 60,
  bounds: { concurrent: 1, queueLength: 8, queueWaitMs: 2_000 },
} as const;
const DAY_MS = 24 * 3600 * 1000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/**
 * Starts API and worker in this process, on what DATA_DIR keeps.
 *
 * @throws StartFailure naming the variable: DATA_DIR is in use or broken, or an address cannot be bound.
 */
export async function startLocalProduct(options: LocalProductOptions): Promise<LocalProduct> {
  const { config, release, log, addEnding } = options;
  log("starting", { release, pid: process.pid, node: process.version, config: describeLocalConfig(config) });
  const clock: Clock = { now: () => Date.now() };
  const data = openDataDirectory(config.dataDir);
  addEnding({ name: "lock", run: async () => data.release() });
  removeIfThere(data.fileAt("running"));
  if (!options.beginsEmpty) checkDatabaseFile(data);
  // Before anything else is made here: what a start that failed leaves must not look like a DATA_DIR that
  // lost its settings.
  const stores = await openStores({ data, clock, log, addEnding });
  if (!options.beginsEmpty) checkEverWritten(data, await stores.store.head());
  const token = obtainApiToken(data.fileAt("apiToken"), config.apiToken);
  const obtainCertificate = (): Promise<DefaultCertificate> =>
    obtainLogged({ path: data.fileAt("defaultCertificate"), name: config.smtpName, nowMs: clock.now() }, log);
  const certificate = await obtainCertificate();

  const { worker, verifier } = await composeWorker(
    {
      config,
      release,
      clock,
      ...stores,
      defaultCertificate: certificate.material,
      // A file made here is renewed in time, and one that the operator put there is served without a restart.
      renewDefaultCertificate: async () => (await obtainCertificate()).material,
    },
    options,
  );
  const stopping = new AbortController();
  const issuance = createLocalIssuance({ ...stores, config, release, clock, signal: stopping.signal });
  let schedule: LocalSchedule | null = null;
  const api = await startLocalApi({
    config,
    log,
    token: token.token,
    certificate,
    clock,
    worker,
    chainVerifier: await openEvaluations(clock, addEnding),
    issuanceRequested: () => schedule?.runSoon("issuance"),
    ...stores,
  });
  addEnding({ name: "traffic", run: ({ hurry }) => endTraffic(api, worker, hurry) });

  await endLeases(stores);
  const ownership = createLocalOwnership({ ...stores, config, clock, signal: stopping.signal });
  schedule = startSweeps(
    { ...stores, issuance, ownership, abort: () => stopping.abort(), clock, log },
    addEnding,
  );

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

function startSweeps(
  options: LocalScheduleOptions,
  addEnding: LocalProductOptions["addEnding"],
): LocalSchedule {
  const schedule = startSchedule(options);
  addEnding({ name: "schedule", run: () => schedule.stop() });
  return schedule;
}

async function endTraffic(api: HttpServer, worker: Worker, hurry: AbortSignal): Promise<void> {
  await Promise.all([api.close(), worker.drain(hurry)]);
}

/** The chain verifier of evaluations. */
async function openEvaluations(
  clock: Clock,
  addEnding: LocalProductOptions["addEnding"],
): Promise<OpenSslChainVerifier> {
  const verifier = await createOpenSslChainVerifier({ clock, ...EVALUATIONS });
  addEnding({ name: "evaluations", run: () => verifier.close() });
  return verifier;
}

async function obtainLogged(
  wanted: Parameters<typeof obtainDefaultCertificate>[0],
  log: Log,
): Promise<DefaultCertificate> {
  const obtained = await obtainDefaultCertificate(wanted);
  if (obtained.isNew) log("default-certificate-made", { names: obtained.names });
  if (obtained.problem !== null) log("default-certificate-problem", { problem: obtained.problem });
  return obtained;
}

function describeRunning(config: LocalConfig, worker: Worker, api: HttpServer): Running {
  const [shared] = worker.edge.listeners;
  return {
    pid: process.pid,
    api: { host: config.apiHost, port: api.port },
    smtp: { host: shared?.address ?? "", port: shared?.port ?? 0 },
    health: { host: config.healthHost, port: worker.healthPort },
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
  if (!isHeld) notes.push("the settings could not be read yet; mail is deferred with 421 until they are");
  if (data.isOpenToOthers) notes.push(`other users may list ${data.path}; they cannot read the files in it`);
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
