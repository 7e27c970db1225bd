import { VAULT_FOLDERS } from "../core/store/key-vault.ts";
import { captureResource } from "./captured-resource.ts";
import type { Copies } from "./copied-names.ts";
import type { GateSettings, Names } from "./gate-settings.ts";

/** Prefixes of the key bucket. */
export const PREFIXES = { ...VAULT_FOLDERS, backup: "backup/" } as const;

/** Retention of noncurrent versions: a replaced or deleted key can be restored for this long. */
const NONCURRENT_DAYS = 30;
/** Old versions of a backup are not needed: the table keeps its history (point-in-time recovery). */
const BACKUPS = { prefix: PREFIXES.backup, days: 1 } as const;
/** Where mail goes in the deployment's own bucket. */
export const MAIL_PREFIX = "inbox";

/**
 * The product's KMS key, the bucket of private keys, and the bucket for mail unless the operator named
 * another route.
 */
export function createStorage(settings: GateSettings, copies: Copies | null) {
  return copies === null ? createOwnStorage(settings) : createStorageOnCopies(settings, copies);
}

function createOwnStorage(settings: GateSettings) {
  const { names, isProduction } = settings;
  const key = createKey(names.of("Key"), { isProduction });
  new aws.kms.Alias(names.of("KeyAlias"), {
    name: `alias/${names.once}`,
    targetKeyId: key.keyId,
  });
  const keys = createBucket(names.of("Keys"), {
    key,
    isProduction,
    isProtected: isProduction,
    sooner: [BACKUPS],
  });
  return { key, keys: keys.bucket, keysVersioning: keys.versioning, mail: createMail(settings, key) };
}

/** Storage of a standby: keys in the copies of another region's deployment; mail in this region. */
function createStorageOnCopies(settings: GateSettings, copies: Copies): ReturnType<typeof createOwnStorage> {
  const key = aws.kms.Key.get(settings.names.of("CopiedKey"), copies.key);
  const keys = sst.aws.Bucket.get(settings.names.of("CopiedKeys"), copies.keyBucket);
  return { key, keys, keysVersioning: Promise.resolve(keys), mail: createMail(settings, key) };
}

/** Bucket and KMS key for the copies in another region. */
export function createStandbyStorage({ names, region, isProduction }: StandbyPlace) {
  const key = createKey(names.of("StandbyKey"), { region, isProduction });
  const keys = createBucket(names.of("StandbyKeys"), {
    key,
    region,
    isProduction,
    isProtected: isProduction,
    sooner: [BACKUPS],
  });
  return { key, keys: keys.bucket, keysVersioning: keys.versioning };
}

/**
 * Not protected: Pulumi rejects a deployment that removes a protected resource from the program, and
 * POSTERN_DELIVERY removes this one. In production the bucket then stays in AWS with its mail, since the
 * stage retains removed resources.
 */
const createMail = (
  { names, delivery, isProduction }: GateSettings,
  key: aws.kms.Key,
): sst.aws.Bucket | null =>
  delivery.kind === "own-bucket"
    ? createBucket(names.of("Mail"), { key, isProduction, isProtected: false }).bucket
    : null;

interface Where {
  /** Absent = the deployment's own. */
  readonly region?: string;
  readonly isProduction: boolean;
}

interface StandbyPlace extends Where {
  readonly names: Names;
  readonly region: string;
}

const createKey = (name: string, { region, isProduction }: Where): aws.kms.Key =>
  new aws.kms.Key(
    name,
    {
      description: "Postern: private keys of certificates, trust stores, snapshot backups, mail",
      enableKeyRotation: true,
      deletionWindowInDays: isProduction ? 30 : 7,
      ...(region === undefined ? {} : { region }),
    },
    { protect: isProduction },
  );

export type Storage = ReturnType<typeof createStorage>;

interface BucketOptions extends Where {
  readonly key: aws.kms.Key;
  /** Pulumi refuses to remove or replace it. */
  readonly isProtected: boolean;
  /**
   * Prefixes whose noncurrent versions end earlier than the others: of two rules, S3 takes the shorter time.
   */
  readonly sooner?: readonly { readonly prefix: string; readonly days: number }[];
}

/** A bucket: private, versioned, encrypted by the product's key, over TLS only. */
function createBucket(name: string, { key, region, isProduction, isProtected, sooner = [] }: BucketOptions) {
  const inRegion = region === undefined ? {} : { region };
  const versioned = captureResource();
  const bucket = new sst.aws.Bucket(name, {
    versioning: true,
    enforceHttps: true,
    // SST's default is a rule for every origin.
    cors: false,
    lifecycle: [{ id: "noncurrent" }],
    transform: {
      bucket: (args, options) => {
        // SST's default lets a removal delete its contents.
        Object.assign(args, inRegion, { forceDestroy: !isProduction });
        options.protect = isProtected;
      },
      policy: (args) => void Object.assign(args, inRegion),
      publicAccessBlock: (args) => void Object.assign(args, inRegion),
      versioning: (args, options) => {
        Object.assign(args, inRegion);
        versioned.captureFrom(options);
      },
      lifecycle: (args, options) => {
        // A rule for noncurrent versions needs a bucket with versioning (the provider's page of this
        // resource).
        options.dependsOn = versioned.resource;
        Object.assign(args, inRegion);
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
    ...inRegion,
    bucket: bucket.name,
    rule: { objectOwnership: "BucketOwnerEnforced" },
  });
  new aws.s3.BucketServerSideEncryptionConfiguration(`${name}Encryption`, {
    ...inRegion,
    bucket: bucket.name,
    rules: [
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key.arn },
        // One call of KMS for many objects; without it each load of an edge makes thousands.
        bucketKeyEnabled: true,
      },
    ],
  });
  return { bucket, versioning: versioned.resource };
}
