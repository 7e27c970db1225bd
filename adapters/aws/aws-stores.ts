import type { AccessStore } from "../../core/access/access-store.ts";
import type { EdgeReports } from "../../core/edge-report/edge-reports.ts";
import { type BackupRevision, checkNotLost } from "../../core/store/lost-settings.ts";
import type { CertificateIssuer } from "../../core/management/certificate-issuer.ts";
import type { VaultInventory } from "../../core/management/key-clean-up.ts";
import type { IssuanceState } from "../../core/store/issuance-state.ts";
import type { KeptAnswers } from "../../core/store/kept-answers.ts";
import type { KeyVault } from "../../core/store/key-vault.ts";
import type { Store } from "../../core/store/store.ts";
import type { AwsConfig } from "./aws-config.ts";
import { createDynamoDbClient } from "./aws-clients.ts";
import { DynamoDbAccessStore } from "./dynamodb-access-store.ts";
import { DynamoDbEdgeReports } from "./dynamodb-edge-reports.ts";
import { DynamoDbIssuanceState } from "./dynamodb-issuance-state.ts";
import { DynamoDbKeptAnswers } from "./dynamodb-kept-answers.ts";
import { DynamoDbStore } from "./dynamodb-store.ts";
import { DynamoDbTable } from "./dynamodb-table.ts";
import { onDemand, openedOnce } from "./on-demand.ts";
import { ServiceCalls } from "./service-calls.ts";
import { serviceClock } from "./service-clock.ts";
import { takeOver } from "./take-over.ts";

/** The ports on AWS, over clients that are shared by all of a process. */
export interface AwsStores {
  readonly store: Store;
  readonly access: AccessStore;
  readonly edgeReports: EdgeReports;
  readonly issuanceState: IssuanceState;
  readonly keptAnswers: KeptAnswers;
  readonly keyVault: KeyVault & VaultInventory;
  readonly backups: BackupRevision;
  /** Makes this region the one that writes (take-over.ts). Resolves to the new head. */
  readonly takeOver: () => Promise<number>;
  close(): void;
}

/**
 * `now`: milliseconds since the epoch by this machine; it is corrected by the store's own clock.
 * `firstWriteAsksBackup`: a write to an empty table is rejected where the backup has settings
 * (core/store/lost-settings.ts).
 */
export function openAwsStores(
  config: Omit<AwsConfig, "STORE">,
  now: () => number,
  options: { readonly firstWriteAsksBackup?: boolean } = {},
): AwsStores {
  const dynamoDb = createDynamoDbClient();
  const table = new DynamoDbTable(dynamoDb, config.TABLE_NAME, new ServiceCalls("settings store"));
  const clock = serviceClock(dynamoDb, now);
  let s3: { destroy(): void } | null = null;
  const backups: BackupRevision = {
    revision: async () => {
      const [{ S3SnapshotBackups }, { createS3Client }] = await Promise.all([
        import("./s3-snapshot-backups.ts"),
        import("./s3-client.ts"),
      ]);
      const client = createS3Client();
      try {
        const calls = new ServiceCalls("snapshot's backup");
        const bucket = config.KEY_BUCKET;
        return await new S3SnapshotBackups({ client, calls, bucket, kmsKeyId: null }).revision();
      } finally {
        client.destroy();
      }
    },
  };
  const vault = openedOnce(async () => {
    const [{ S3KeyVault }, { createS3Client }] = await Promise.all([
      import("./s3-key-vault.ts"),
      import("./s3-client.ts"),
    ]);
    const client = createS3Client();
    s3 = client;
    return new S3KeyVault({
      client,
      calls: new ServiceCalls("key vault"),
      bucket: config.KEY_BUCKET,
      kmsKeyId: config.KEY_KMS_KEY_ID,
    });
  });
  return {
    store: new DynamoDbStore(table, {
      now,
      ...(options.firstWriteAsksBackup === true ? { beforeFirstWrite: () => checkNotLost(backups) } : {}),
    }),
    backups,
    access: new DynamoDbAccessStore(table),
    edgeReports: new DynamoDbEdgeReports(table, clock),
    issuanceState: new DynamoDbIssuanceState(table, clock),
    keptAnswers: new DynamoDbKeptAnswers(table, clock),
    keyVault: {
      ...onDemand<KeyVault>({ put: true, get: true, delete: true }, vault),
      async *writtenBefore(epochMs) {
        yield* (await vault()).writtenBefore(epochMs);
      },
    },
    takeOver: () => takeOver(table),
    close: () => {
      dynamoDb.destroy();
      s3?.destroy();
    },
  };
}

/** ACM. */
export const openCertificateIssuer = (): CertificateIssuer =>
  onDemand<CertificateIssuer>(
    { order: true, describe: true, export: true, delete: true },
    openedOnce(async () => {
      const { AcmIssuer, createAcmClient } = await import("./acm-issuer.ts");
      return new AcmIssuer({ client: createAcmClient(), calls: new ServiceCalls("certificate issuer") });
    }),
  );
