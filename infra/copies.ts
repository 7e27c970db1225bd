import { type Copies, copiesParameter } from "./copied-names.ts";
import { inlinePolicy, replicateObjects } from "./permissions.ts";
import { WrongSetting } from "./deploy-variables.ts";
import type { GateSettings } from "./gate-settings.ts";
import { createStandbyStorage, type Storage } from "./storage.ts";
import type { Table } from "./table.ts";

/** Source and destination of a replication, as its metrics name them. */
export interface Replication {
  readonly region: string;
  readonly from: sst.aws.Bucket;
  readonly to: sst.aws.Bucket;
  readonly rule: string;
}

/** All prefixes of the bucket of keys (storage.ts). */
const RULE = "copies";

/**
 * Copies of settings and keys in another region, for edges there and for a failover. The table is replicated
 * in both directions (MREC: the strong mode of global tables has no transactions), so one region writes
 * (adapters/aws/take-over.ts); objects go one way. The copy has a separate KMS key: S3 encrypts replicas
 * anew, and treats a multi-region key as one of its region.
 */
export function createCopies(
  { names, standbyRegion, isProduction }: GateSettings,
  table: Table,
  storage: Storage,
): Replication | null {
  if (standbyRegion === null) return null;
  const replica = new aws.dynamodb.TableReplica(
    names.of("SettingsReplica"),
    {
      globalTableArn: table.arn,
      region: standbyRegion,
      pointInTimeRecovery: true,
      deletionProtectionEnabled: isProduction,
    },
    { protect: isProduction },
  );
  const standby = createStandbyStorage({ names, region: standbyRegion, isProduction });
  const role = new aws.iam.Role(names.of("KeysReplicationRole"), {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "s3.amazonaws.com" }),
    inlinePolicies: [inlinePolicy(replicateObjects(storage, { ...standby, region: standbyRegion }))],
  });
  const replication = new aws.s3.BucketReplicationConfig(
    names.of("KeysReplication"),
    {
      bucket: storage.keys.name,
      role: role.arn,
      rules: [
        {
          id: RULE,
          status: "Enabled",
          filter: { prefix: "" },
          // Deletions are replicated; noncurrent versions stay there as long as here.
          deleteMarkerReplication: { status: "Enabled" },
          sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: "Enabled" } },
          destination: {
            bucket: standby.keys.arn,
            encryptionConfiguration: { replicaKmsKeyId: standby.key.arn },
            metrics: { status: "Enabled" },
          },
        },
      ],
    },
    // S3 rejects replication between buckets without versioning.
    { dependsOn: $util.all([storage.keysVersioning, standby.keysVersioning]).apply((all) => all) },
  );
  const copied = { table: table.name, keyBucket: standby.keys.name, key: standby.key.keyId };
  for (const [name, value] of Object.entries(copied)) {
    new aws.ssm.Parameter(
      names.of(`Copies-${name}`),
      {
        name: copiesParameter(names, name as keyof Copies),
        type: "String",
        value,
        region: standbyRegion,
      },
      { retainOnDelete: false, dependsOn: [replica, replication] },
    );
  }
  return { region: standbyRegion, from: storage.keys, to: standby.keys, rule: RULE };
}

/** @throws WrongSetting if the copies would be in the same region as the originals. */
export async function requireOtherRegion({ standbyRegion }: GateSettings): Promise<void> {
  const { region } = await aws.getRegion();
  if (standbyRegion === region)
    throw new WrongSetting("POSTERN_STANDBY_REGION", `must be another region than ${region}`);
}
