import { setTimeout as sleep } from "node:timers/promises";
import { awsConfigSchema } from "../../adapters/aws/aws-config.ts";
import { openAwsStores, openCertificateIssuer } from "../../adapters/aws/aws-stores.ts";
import { createS3Client } from "../../adapters/aws/s3-client.ts";
import { S3SnapshotBackups } from "../../adapters/aws/s3-snapshot-backups.ts";
import { ServiceCalls } from "../../adapters/aws/service-calls.ts";
import { openParameters, openRoute53Records } from "../../adapters/aws/issuance-services.ts";
import { createAcmeCas, eabKeysIn } from "../../adapters/acme/acme-cas.ts";
import { createDnsWebhook, webhookSecretIn } from "../../adapters/acme/dns-webhook.ts";
import { createTxtLookup } from "../../adapters/acme/txt-lookup.ts";
import { type ChallengeRecords, firstOf } from "../../core/management/challenge-records.ts";
import { CertificateIssuance } from "../../core/management/issuance.ts";
import { AcmCertificates } from "../../core/management/acm-certificates.ts";
import { readEnvironment } from "../../core/environment.ts";
import { loadAtEdgeWith } from "../../worker/tls/tls-parameters.ts";
import { createLambdaLog } from "../lambda-log.ts";
import { apiConfigSchema } from "../api/api-config.ts";
import { configOrExit } from "../lambda-start.ts";
import { readScheduleEvent } from "./schedule-event.ts";
import { scheduleConfigSchema } from "./schedule-config.ts";
import { runTask } from "./sweeps.ts";

/** What happens without a request, as a Lambda function: where its adapters are chosen. */

const schema = awsConfigSchema
  .omit({ STORE: true })
  .extend(apiConfigSchema.pick({ TLS_CIPHERS: true }).shape)
  .extend(scheduleConfigSchema.shape);
const config = configOrExit(() => readEnvironment(schema, process.env));

/** A backup of some ten megabytes; the function has five minutes. */
const BACKUP_LIMITS = { deadlineMs: 90_000, tryMs: 30_000 };

const now = (): number => Date.now();
/** `maxRSS` is in kilobytes. */
const peakMemory = (): number => process.resourceUsage().maxRSS * 1024;
const log = createLambdaLog({ level: "info", now, write: (line) => void process.stdout.write(line) });
const { store, keyVault, issuanceState, takeOver } = openAwsStores(config, now);
const backups = new S3SnapshotBackups({
  client: createS3Client(),
  calls: new ServiceCalls("snapshot's backup", BACKUP_LIMITS),
  bucket: config.KEY_BUCKET,
  kmsKeyId: config.KEY_KMS_KEY_ID,
});
const common = {
  store,
  vault: keyVault,
  clock: { now },
  loadAtEdge: loadAtEdgeWith(config.TLS_CIPHERS ?? null),
  retry: {
    now: () => performance.now(),
    random: () => Math.random(),
    sleep: async (ms: number): Promise<void> => {
      await sleep(ms);
    },
    // Its role may not delete, for one.
    storesOffers: false,
  },
};
const readParameter = openParameters();
const readSecret = webhookSecretIn({ read: readParameter }, config.DNS_WEBHOOK_SECRET_PARAMETER);
/** The webhook is for the names that no zone holds. */
const publishers: readonly ChallengeRecords[] = [
  openRoute53Records(config.ROUTE53_ZONES ?? []),
  ...(config.DNS_WEBHOOK_URL === undefined
    ? []
    : [createDnsWebhook({ url: config.DNS_WEBHOOK_URL, readSecret, clock: { now } })]),
];
const readTxt = createTxtLookup({ servers: config.DNS_RESOLVERS ?? null });
const acm = new AcmCertificates({ ...common, issuer: openCertificateIssuer() });
const issuance = new CertificateIssuance({
  ...common,
  state: issuanceState,
  makeSelfSigned: async (request, context) =>
    (await import("../../core/x509/self-signed.ts")).createSelfSigned(request, context),
  createCsr: async (request) => (await import("../../core/x509/certificate-request.ts")).createCsr(request),
  cas: createAcmeCas({
    directories: config.ACME_DIRECTORIES ?? [],
    readEabKey: eabKeysIn({ read: readParameter }, config.ACME_EAB_PARAMETERS ?? {}),
    clock: { now },
    release: null,
  }),
  records: firstOf(publishers),
  readTxt,
});

/** Of the function's five minutes; the last certificate may take two. */
const SWEPT_MS = 3 * 60_000;

export function handler(event: unknown): Promise<void> {
  const startedAt = performance.now();
  return runTask(readScheduleEvent(event), {
    mayGoOn: () => performance.now() - startedAt < SWEPT_MS,
    store,
    backups,
    vault: keyVault,
    acm,
    issuance,
    ownership: { ...common, issuanceState, readTxt },
    takeOver,
    // Set by Lambda itself.
    region: process.env["AWS_REGION"] ?? "",
    now,
    peakMemory,
    log,
  });
}
