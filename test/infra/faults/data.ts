import type { Faults } from "./planted.ts";

const STORAGE = "infra/storage.ts";
const TABLE = "infra/table.ts";
const CONFIG = "sst.config.ts";
const OUTLIVE = "buckets and keys outlive a removal in production alone";
const ENCRYPTED = "every bucket is encrypted by the product's key, with a Bucket Key";
const PRODUCTION = "production is retained and protected as a whole, another stage is not";

/** What is kept, and what a removal takes. Planted in production, one at a time. */
export const DATA_FAULTS: Faults = {
  "the table goes with a mistake": {
    file: TABLE,
    find: "deletionProtection: isProduction",
    replace: "deletionProtection: false",
    caughtBy: "the table can be deleted outside production alone",
  },
  "the table cannot be restored": {
    file: TABLE,
    find: "enabled: true, recoveryPeriodInDays: 35",
    replace: "enabled: false",
    caughtBy: "the table is on demand, encrypted, and can be restored to any second of 35 days",
  },
  "the index has a name that no code asks for": {
    file: TABLE,
    find: "[index.name]: {",
    replace: "[`${index.name}s`]: {",
    caughtBy: "the table is the one that adapters/aws reads and writes",
  },
  "log entries never expire": {
    file: TABLE,
    find: "ttl: KEYS.timeToLive,",
    replace: "",
    caughtBy: "the table is the one that adapters/aws reads and writes",
  },
  "a bucket's block against publicity is taken away": {
    file: STORAGE,
    find: "    cors: false,",
    replace: '    cors: false,\n    access: "public" as never,',
    caughtBy: "no bucket is public",
  },
  "scripts of every origin read a bucket": {
    file: STORAGE,
    find: "    cors: false,",
    replace: "",
    caughtBy: "no bucket is public",
  },
  "a bucket answers over plain HTTP": {
    file: STORAGE,
    find: "enforceHttps: true",
    replace: "enforceHttps: false",
    caughtBy: "every bucket answers over TLS alone, to every caller",
  },
  "a bucket is encrypted by S3's key": {
    file: STORAGE,
    find: 'sseAlgorithm: "aws:kms", kmsMasterKeyId: key.arn',
    replace: 'sseAlgorithm: "AES256"',
    caughtBy: ENCRYPTED,
  },
  "every object is a call of KMS": {
    file: STORAGE,
    find: "bucketKeyEnabled: true",
    replace: "bucketKeyEnabled: false",
    caughtBy: ENCRYPTED,
  },
  "the key is never rotated": {
    file: STORAGE,
    find: "enableKeyRotation: true",
    replace: "enableKeyRotation: false",
    caughtBy: ENCRYPTED,
  },
  "what was deleted is gone at once": {
    file: STORAGE,
    // Not SST's own switch: without the resource, what waits for it would never be made.
    find: "        versioned.captureFrom(options);",
    replace:
      '        args.versioningConfiguration = { status: "Suspended" };\n        versioned.captureFrom(options);',
    caughtBy: "what was overwritten or deleted in a bucket is there for 30 days, but for backups",
  },
  "keys in use expire": {
    file: STORAGE,
    find: "noncurrentVersionExpiration: { noncurrentDays: NONCURRENT_DAYS }",
    replace: "expiration: { days: NONCURRENT_DAYS }",
    caughtBy: "what was overwritten or deleted in a bucket is there for 30 days, but for backups",
  },
  "old backups are kept like keys": {
    file: STORAGE,
    find: "isProtected: isProduction,\n    sooner: [BACKUPS],\n  });\n  return { key, keys: keys.bucket, keysVersioning: keys.versioning, mail",
    replace:
      "isProtected: isProduction,\n  });\n  return { key, keys: keys.bucket, keysVersioning: keys.versioning, mail",
    caughtBy: "what was overwritten or deleted in a bucket is there for 30 days, but for backups",
  },
  "a removal empties the buckets": {
    file: STORAGE,
    find: "{ forceDestroy: !isProduction }",
    replace: "{}",
    caughtBy: OUTLIVE,
  },
  "production cannot send its mail elsewhere": {
    file: STORAGE,
    find: "{ key, isProduction, isProtected: false }",
    replace: "{ key, isProduction, isProtected: isProduction }",
    caughtBy: OUTLIVE,
  },
  "the key can be removed": {
    file: STORAGE,
    find: "    { protect: isProduction },\n  );",
    replace: "  );",
    caughtBy: OUTLIVE,
  },
  "production goes by `sst remove`": {
    file: CONFIG,
    find: "protect: isProduction",
    replace: "protect: false",
    caughtBy: PRODUCTION,
  },
  "what leaves the program leaves AWS": {
    file: CONFIG,
    find: '"retain-all"',
    replace: '"remove"',
    caughtBy: PRODUCTION,
  },
};
