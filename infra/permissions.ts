import type { Route53Zone } from "../core/management/challenge-variables.ts";
import type { Delivery } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { MAIL_PREFIX, PREFIXES } from "./storage.ts";
import { KEYS, type Table } from "./table.ts";

type Text = $util.Input<string>;
type BucketDelivery = Extract<Delivery, { readonly kind: "bucket" }>;

/** One statement of a role. */
export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly Text[];
  readonly conditions?: readonly {
    readonly test: string;
    readonly variable: string;
    readonly values: readonly Text[];
  }[];
}

/** The only partition of the table that edges write (adapters/aws/table-keys.ts). */
const EDGE_PARTITION = "EDGE";

/** A transaction needs the action of each of its items. */
type TableAction =
  | "dynamodb:GetItem"
  | "dynamodb:BatchGetItem"
  | "dynamodb:Query"
  | "dynamodb:PutItem"
  | "dynamodb:UpdateItem"
  | "dynamodb:DeleteItem"
  | "dynamodb:ConditionCheckItem"
  | "dynamodb:BatchWriteItem";

/** Items of every partition. Linking the table would grant `dynamodb:*`. */
export const useTable = (table: Table, actions: readonly TableAction[]): readonly Permission[] => [
  { actions, resources: [table.arn] },
];

/** Only lists read the index. */
export const readIndex = (table: Table): readonly Permission[] => [
  { actions: ["dynamodb:Query"], resources: [$interpolate`${table.arn}/index/${KEYS.index.name}`] },
];

/**
 * An edge may change its report, but no settings. A condition cannot name a single task, so a task may write
 * another's report.
 */
export const writeEdgeReports = (table: Table): readonly Permission[] => [
  {
    actions: ["dynamodb:PutItem", "dynamodb:DeleteItem"],
    resources: [table.arn],
    conditions: [
      { test: "ForAllValues:StringEquals", variable: "dynamodb:LeadingKeys", values: [EDGE_PARTITION] },
      // ForAllValues is true of a request that names no key at all.
      { test: "Null", variable: "dynamodb:LeadingKeys", values: ["false"] },
    ],
  },
];

type Prefix = keyof typeof PREFIXES;
type ObjectAction = "s3:GetObject" | "s3:PutObject" | "s3:DeleteObject";

/** Objects of the key bucket, by prefix. Linking the bucket would grant `s3:*`. */
export const keyObjects = (
  { keys }: Storage,
  actions: readonly ObjectAction[],
  prefixes: readonly Prefix[],
): readonly Permission[] => [
  { actions, resources: prefixes.map((prefix) => $interpolate`${keys.arn}/${PREFIXES[prefix]}*`) },
];

/**
 * Without it S3 returns 403 for an absent object, and "no such key" cannot be distinguished from "no
 * permission".
 */
export const listKeyObjects = ({ keys }: Storage): readonly Permission[] => [
  { actions: ["s3:ListBucket"], resources: [keys.arn] },
];

type KeyAction = "kms:Decrypt" | "kms:GenerateDataKey" | "kms:Encrypt";

/**
 * The product's key, through S3 and for one bucket: with a Bucket Key its context is the bucket's ARN, else
 * the object's.
 */
export function useKey(
  { key }: Storage,
  bucket: $util.Output<string>,
  actions: readonly KeyAction[],
): readonly Permission[] {
  const region = aws.getRegionOutput().region;
  return [throughS3({ key: key.arn, region, bucket, actions })];
}

interface KeyUse {
  readonly key: Text;
  readonly region: Text;
  readonly bucket: $util.Output<string>;
  readonly actions: readonly KeyAction[];
}

const throughS3 = ({ key, region, bucket, actions }: KeyUse): Permission => ({
  actions,
  resources: [key],
  conditions: [
    { test: "StringEquals", variable: "kms:ViaService", values: [$interpolate`s3.${region}.amazonaws.com`] },
    {
      test: "StringLike",
      variable: "kms:EncryptionContext:aws:s3:arn",
      values: [bucket, $interpolate`${bucket}/*`],
    },
  ],
});

/** Writes of messages into a bucket, without reads. */
const deliverTo = (bucketArn: $util.Output<string>, prefix: string): readonly Permission[] => [
  {
    actions: ["s3:PutObject", "s3:AbortMultipartUpload"],
    resources: [prefix === "" ? $interpolate`${bucketArn}/*` : $interpolate`${bucketArn}/${prefix}/*`],
  },
];

/** Rights of S3 to copy each object of the key bucket into the bucket of another region. */
export function replicateObjects(
  { key, keys }: Storage,
  to: { readonly key: aws.kms.Key; readonly keys: sst.aws.Bucket; readonly region: string },
): readonly Permission[] {
  const objectsOf = (bucket: $util.Output<string>): readonly Text[] =>
    Object.values(PREFIXES).map((prefix) => $interpolate`${bucket}/${prefix}*`);
  const { region } = aws.getRegionOutput();
  return [
    { actions: ["s3:GetReplicationConfiguration", "s3:ListBucket"], resources: [keys.arn] },
    {
      actions: ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"],
      resources: objectsOf(keys.arn),
    },
    {
      actions: ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
      resources: objectsOf(to.keys.arn),
    },
    throughS3({ key: key.arn, region, bucket: keys.arn, actions: ["kms:Decrypt"] }),
    // GenerateDataKey: the bucket there has a Bucket Key.
    throughS3({
      key: to.key.arn,
      region: to.region,
      bucket: to.keys.arn,
      actions: ["kms:Encrypt", "kms:GenerateDataKey"],
    }),
  ];
}

/** Decrypt: S3 requires it when the parts of an upload are put together. */
const TO_ENCRYPT_MAIL = ["kms:GenerateDataKey", "kms:Decrypt"] as const;

export const deliverToOwnBucket = (storage: Storage): readonly Permission[] =>
  storage.mail === null
    ? []
    : [...deliverTo(storage.mail.arn, MAIL_PREFIX), ...useKey(storage, storage.mail.arn, TO_ENCRYPT_MAIL)];

/** Messages into a bucket of the operator's, encrypted by the key that they named, if any. */
export function deliverToBucket({ bucket, prefix, key }: BucketDelivery): readonly Permission[] {
  const arn = $interpolate`arn:${aws.getPartitionOutput().partition}:s3:::${bucket}`;
  return [
    ...deliverTo(arn, prefix),
    ...(key === null
      ? []
      : [throughS3({ key, region: regionOf(key), bucket: arn, actions: TO_ENCRYPT_MAIL })]),
  ];
}

export function parameterArn(name: string): $util.Output<string> {
  const region = aws.getRegionOutput().region;
  const account = aws.getCallerIdentityOutput().accountId;
  const partition = aws.getPartitionOutput().partition;
  return $interpolate`arn:${partition}:ssm:${region}:${account}:parameter${name}`;
}

/** A role reads one parameter, and decrypts it if its key is not AWS's own. ECS reads by GetParameters. */
export function readParameter(
  arn: $util.Output<string>,
  key: string | null,
  action: "ssm:GetParameter" | "ssm:GetParameters",
): readonly Permission[] {
  const read = { actions: [action], resources: [arn] };
  if (key === null) return [read];
  const conditions = [
    { test: "StringEquals", variable: "kms:ViaService", values: [`ssm.${regionOf(key)}.amazonaws.com`] },
    { test: "StringEquals", variable: "kms:EncryptionContext:PARAMETER_ARN", values: [arn] },
  ];
  return [read, { actions: ["kms:Decrypt"], resources: [key], conditions }];
}

/** Partitions of the table's issuance state (adapters/aws/table-keys.ts). */
const STATE_PARTITIONS = "ACME#*";

/** Accounts and tokens of CAs are deleted; no other item of the table may be. */
export const deleteIssuanceState = (table: Table): readonly Permission[] => [
  {
    actions: ["dynamodb:DeleteItem"],
    resources: [table.arn],
    conditions: [
      { test: "ForAllValues:StringLike", variable: "dynamodb:LeadingKeys", values: [STATE_PARTITIONS] },
      { test: "Null", variable: "dynamodb:LeadingKeys", values: ["false"] },
    ],
  },
];

/** TXT records `_acme-challenge` of the named zones, below the named domains; nothing else in the zones. */
export function publishChallenges(zones: readonly Route53Zone[]): readonly Permission[] {
  if (zones.length === 0) return [];
  const { partition } = aws.getPartitionOutput();
  const changes = zones.map(({ id, domain }) => ({
    actions: ["route53:ChangeResourceRecordSets"],
    resources: [$interpolate`arn:${partition}:route53:::hostedzone/${id}`],
    conditions: [
      {
        test: "ForAllValues:StringLike",
        variable: "route53:ChangeResourceRecordSetsNormalizedRecordNames",
        values: [`_acme-challenge.${domain}`, `_acme-challenge.*.${domain}`],
      },
      {
        test: "ForAllValues:StringEquals",
        variable: "route53:ChangeResourceRecordSetsRecordTypes",
        values: ["TXT"],
      },
      {
        test: "ForAllValues:StringEquals",
        variable: "route53:ChangeResourceRecordSetsActions",
        values: ["UPSERT", "DELETE"],
      },
      // ForAllValues is true of a request that names no record at all.
      {
        test: "Null",
        variable: "route53:ChangeResourceRecordSetsNormalizedRecordNames",
        values: ["false"],
      },
    ],
  }));
  return [
    ...changes,
    // A delete has to name the record set as it is.
    {
      actions: ["route53:ListResourceRecordSets"],
      resources: zones.map(({ id }) => $interpolate`arn:${partition}:route53:::hostedzone/${id}`),
    },
    { actions: ["route53:GetChange"], resources: [$interpolate`arn:${partition}:route53:::change/*`] },
  ];
}

/** The fourth part of an ARN. */
const regionOf = (arn: string): string => arn.split(":")[3] ?? "";

/** Each certificate that the product orders carries it (adapters/aws/acm-issuer.ts). */
const ACM_TAG = "postern:certificate";

type AcmAction = "acm:DescribeCertificate" | "acm:ExportCertificate" | "acm:DeleteCertificate";

/** The account's other certificates and keys do not belong to Postern. */
export const acmCertificates = (actions: readonly AcmAction[]): readonly Permission[] => [
  { actions, resources: [anyCertificate()], conditions: [tagged("aws:ResourceTag")] },
];

/** An order has no resource to name, only its tag. */
export const orderAcmCertificates = (): readonly Permission[] => [
  { actions: ["acm:RequestCertificate"], resources: ["*"], conditions: [tagged("aws:RequestTag")] },
  {
    actions: ["acm:AddTagsToCertificate"],
    resources: [anyCertificate()],
    conditions: [tagged("aws:RequestTag")],
  },
];

const tagged = (of: "aws:ResourceTag" | "aws:RequestTag") => ({
  test: "Null",
  variable: `${of}/${ACM_TAG}`,
  values: ["false"],
});

function anyCertificate(): $util.Output<string> {
  const region = aws.getRegionOutput().region;
  const account = aws.getCallerIdentityOutput().accountId;
  const partition = aws.getPartitionOutput().partition;
  return $interpolate`arn:${partition}:acm:${region}:${account}:certificate/*`;
}

/** Statements as SST's components accept them. */
export const forSst = (
  permissions: readonly Permission[],
): {
  actions: string[];
  resources: Text[];
  conditions?: { test: string; variable: string; values: Text[] }[];
}[] =>
  permissions.map(({ actions, resources, conditions }) => ({
    actions: [...actions],
    resources: [...resources],
    ...(conditions === undefined
      ? {}
      : { conditions: conditions.map((condition) => ({ ...condition, values: [...condition.values] })) }),
  }));

/** An inline policy, for roles whose own one SST would widen. */
export const inlinePolicy = (permissions: readonly Permission[]): aws.types.input.iam.RoleInlinePolicy => ({
  name: "inline",
  policy: aws.iam.getPolicyDocumentOutput({ statements: forSst(permissions) }).json,
});

/**
 * SST 4.17.1 tests `dev` on an Output, which is always true: every role of a function would trust the
 * account's root too. Only Lambda is trusted here.
 */
export function trustLambdaAlone(args: aws.iam.RoleArgs): undefined {
  args.assumeRolePolicy = aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" });
}
