import { captureResource } from "./captured-resource.ts";
import type { Settings } from "./settings.ts";

/** What each prefix of the key bucket holds. */
export const PREFIXES = { keys: "keys/", trust: "trust/", backup: "backup/" } as const;

/** After a key was replaced or removed, a mistake can be undone for this long. */
const NONCURRENT_DAYS = 30;
/** Of backups no old version is of use: the table has a history of its own. */
const NONCURRENT_BACKUP_DAYS = 1;
/** Where mail goes in the deployment's own bucket. */
export const MAIL_PREFIX = "inbox";

/** The product's key, the bucket of private keys, and the one for mail where the operator named no other place. */
export function createStorage(settings: Settings) {
  const { isProduction } = settings;
  const key = new aws.kms.Key(
    "Key",
    {
      description: "Postern: private keys of certificates, trust stores, snapshot backups, mail",
      enableKeyRotation: true,
      deletionWindowInDays: isProduction ? 30 : 7,
    },
    { protect: isProduction },
  );
  new aws.kms.Alias("KeyAlias", {
    name: $interpolate`alias/${$app.name}-${$app.stage}`,
    targetKeyId: key.keyId,
  });
  const backups = { prefix: PREFIXES.backup, days: NONCURRENT_BACKUP_DAYS };
  const keys = createBucket("Keys", { key, isProduction, sooner: [backups] });
  const mail = settings.delivery.kind === "own-bucket" ? createBucket("Mail", { key, isProduction }) : null;
  return { key, keys, mail };
}

export type Storage = ReturnType<typeof createStorage>;

interface BucketOptions {
  readonly key: aws.kms.Key;
  readonly isProduction: boolean;
  /** Prefixes whose noncurrent versions end earlier than the others: of two rules, S3 takes the shorter time. */
  readonly sooner?: readonly { readonly prefix: string; readonly days: number }[];
}

/** Private, versioned, encrypted by the product's key, over TLS alone. */
function createBucket(name: string, { key, isProduction, sooner = [] }: BucketOptions) {
  const versioned = captureResource();
  const bucket = new sst.aws.Bucket(name, {
    versioning: true,
    enforceHttps: true,
    // SST's default is a rule for every origin.
    cors: false,
    lifecycle: [{ id: "noncurrent" }],
    transform: {
      bucket: (args, options) => {
        // SST's default lets a removal delete what is in it.
        args.forceDestroy = !isProduction;
        options.protect = isProduction;
      },
      versioning: (_args, options) => {
        versioned.captureFrom(options);
      },
      lifecycle: (args, options) => {
        // A rule for noncurrent versions needs a bucket that has them (the provider's page of this resource).
        options.dependsOn = versioned.resource;
        args.rules = [
          {
            id: "noncurrent",
            status: "Enabled",
            filter: { prefix: "" },
            noncurrentVersionExpiration: { noncurrentDays: NONCURRENT_DAYS },
            abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
          },
          ...sooner.map(({ prefix, days }) => ({
            id: `noncurrent-${prefix.replace("/", "")}`,
            status: "Enabled" as const,
            filter: { prefix },
            noncurrentVersionExpiration: { noncurrentDays: days },
          })),
        ];
      },
    },
  });
  new aws.s3.BucketOwnershipControls(`${name}Ownership`, {
    bucket: bucket.name,
    rule: { objectOwnership: "BucketOwnerEnforced" },
  });
  new aws.s3.BucketServerSideEncryptionConfiguration(`${name}Encryption`, {
    bucket: bucket.name,
    rules: [
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key.arn },
        // One call of KMS for many objects; without it every load of an edge is thousands.
        bucketKeyEnabled: true,
      },
    ],
  });
  return bucket;
}
