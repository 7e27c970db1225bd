import type { Log } from "../core/log-event.ts";
import { randomBytes } from "node:crypto";
import { rootCertificates } from "node:tls";
import { createMaildir } from "../adapters/local/maildir-directories.ts";
import { createMaildirDelivery } from "../adapters/local/maildir.ts";
import {
  createOpenSslChainVerifier,
  type OpenSslChainVerifier,
} from "../adapters/openssl/openssl-chain-verifier.ts";
import { createSmtpDelivery } from "../adapters/smtp/smtp-delivery.ts";
import type { Clock } from "../core/clock.ts";
import { createDeliveryRouter } from "../core/delivery/delivery-router.ts";
import type { Endpoint } from "../core/delivery/next-hop-policy.ts";
import { createIdSource } from "../core/name/ids.ts";
import type { CertificateMaterial } from "../core/x509/serving-material.ts";
import type { Config } from "./config/config.ts";
import { startEdge } from "./edge/edge.ts";
import type { Starting } from "./process/process.ts";
import { StartFailure } from "./process/start-failure.ts";
import { startWorker, type Worker, type WorkerOptions } from "./worker.ts";

/**
 * Parts in which an edge on AWS and one under `npm start` differ: the settings, and the certificate of the
 * edge itself.
 */
export interface WorkerPorts extends Pick<WorkerOptions, "store" | "vault" | "edgeReports" | "backup"> {
  readonly config: Config;
  readonly release: string;
  readonly clock: Clock;
  readonly defaultCertificate: CertificateMaterial;
  /** Called once a day; a rejection is logged, and the certificate before serves on. */
  readonly renewDefaultCertificate: () => Promise<CertificateMaterial>;
}

export interface ComposedWorker {
  readonly worker: Worker;
  readonly verifier: OpenSslChainVerifier;
}

const DAY_MS = 24 * 3600 * 1000;

/**
 * Starts a worker on the adapters that every edge has: chain verifier, next hops, maildir, S3. What it starts
 * is ended by the steps that it adds, in reverse.
 *
 * @throws StartFailure naming the variable: an address cannot be bound, or a maildir cannot be made.
 */
export async function composeWorker(
  ports: WorkerPorts,
  { log, writeLine, addEnding }: Pick<Starting, "log" | "writeLine" | "addEnding">,
): Promise<ComposedWorker> {
  const { renewDefaultCertificate, ...parts } = ports;
  const { config, clock } = ports;
  const verifier = await createOpenSslChainVerifier({
    clock,
    maxPerClientPerMinute: config.limits.maxChainVerificationsPerClient,
  });
  addEnding({ name: "chain verifier", run: () => verifier.close() });
  if (!verifier.available) log("chain-verifier-missing", { problem: verifier.problem });
  let ownListeners: readonly Endpoint[] = [];
  const worker = await startWorker({
    ...parts,
    edgeId: createIdSource(() => clock.now(), randomBytes).edge(),
    delivery: await openDelivery(ports, () => ownListeners),
    chainVerifier: verifier,
    publicRoots: rootCertificates,
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
  const renewal = setInterval(() => void renewOnEdge(worker.edge, renewDefaultCertificate, log), DAY_MS);
  addEnding({ name: "renewal", run: async () => clearInterval(renewal) });
  return { worker, verifier };
}

/** Never rejects: when no certificate comes, or it does not load, the one before serves on. */
export async function renewOnEdge(
  edge: Pick<Worker["edge"], "replaceDefaultCertificate">,
  renew: WorkerPorts["renewDefaultCertificate"],
  log: Log,
): Promise<void> {
  try {
    edge.replaceDefaultCertificate(await renew());
  } catch (error) {
    log("default-certificate-problem", { error });
  }
}

async function openDelivery(
  { config, clock }: WorkerPorts,
  ownListeners: () => readonly Endpoint[],
): Promise<WorkerOptions["delivery"]> {
  const { delivery: route } = config;
  if (route.kind === "maildir") await checkMaildir(route.directory, clock);
  // A domain's own delivery is a next hop, never a bucket; and AWS's client costs a start half a second.
  const bucket =
    route.kind === "s3" ? (await import("../adapters/aws/mail-bucket.ts")).openMailBucket(clock) : undefined;
  const nextHop = createSmtpDelivery({
    name: config.smtpName,
    limits: config.limits,
    allow: config.deliveryAllow,
    ownListeners,
  });
  return createDeliveryRouter({ nextHop, s3: bucket, maildir: createMaildirDelivery({ clock }) });
}

/** At the start; otherwise the first client with a message would find it out. */
async function checkMaildir(directory: string, clock: Clock): Promise<void> {
  try {
    await createMaildir(directory, clock.now());
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
    throw new StartFailure("DELIVERY", `${directory} cannot be used as a maildir${code}`, { cause });
  }
}
