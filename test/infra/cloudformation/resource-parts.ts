import { at, listOf, pascal, type Properties, propertiesOf } from "./property-rules.ts";

/** A resource of the provider that CloudFormation has as properties of another. */
interface Part {
  readonly to: string;
  /** The input that names the other. */
  readonly of: string;
  readonly properties: (inputs: Properties) => Properties;
}

export const PARTS: Readonly<Record<string, Part>> = {
  "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: ({ rules }) => ({ LifecycleConfiguration: { Rules: listOf(rules).map(lifecycleRule) } }),
  },
  "s3/bucketOwnershipControls:BucketOwnershipControls": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: ({ rule }) => ({ OwnershipControls: { Rules: [pascal(rule)] } }),
  },
  "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: (inputs) => ({
      PublicAccessBlockConfiguration: propertiesOf(inputs, { bucket: null, region: null }),
    }),
  },
  "s3/bucketReplicationConfig:BucketReplicationConfig": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: ({ role, rules }) => ({
      ReplicationConfiguration: { Role: role, Rules: listOf(rules).map(pascal) },
    }),
  },
  "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: ({ rules }) => ({
      BucketEncryption: {
        ServerSideEncryptionConfiguration: listOf(rules).map(
          ({ applyServerSideEncryptionByDefault, bucketKeyEnabled }) => ({
            ServerSideEncryptionByDefault: pascal(applyServerSideEncryptionByDefault),
            BucketKeyEnabled: bucketKeyEnabled,
          }),
        ),
      },
    }),
  },
  "s3/bucketVersioning:BucketVersioning": {
    to: "s3/bucket:Bucket",
    of: "bucket",
    properties: ({ versioningConfiguration }) => ({
      VersioningConfiguration: pascal(versioningConfiguration),
    }),
  },
  "cloudwatch/eventTarget:EventTarget": {
    to: "cloudwatch/eventRule:EventRule",
    of: "rule",
    properties: ({ arn, retryPolicy }) => ({
      Targets: [
        {
          Id: "target",
          Arn: arn,
          RetryPolicy: {
            MaximumRetryAttempts: at(retryPolicy, "maximumRetryAttempts"),
            MaximumEventAgeInSeconds: at(retryPolicy, "maximumEventAgeInSeconds"),
          },
        },
      ],
    }),
  },
};

function lifecycleRule({ filter, noncurrentVersionExpiration, ...rest }: Properties): Properties {
  const prefix = at(filter, "prefix");
  return {
    ...(pascal(rest) as Properties),
    ...(prefix === undefined || prefix === "" ? {} : { Prefix: prefix }),
    ...(noncurrentVersionExpiration === undefined
      ? {}
      : { NoncurrentVersionExpiration: pascal(noncurrentVersionExpiration) }),
  };
}

/** Types that are not translated, and why. */
export const NOT_TRANSLATED: Readonly<Record<string, string>> = {
  "acm/certificateValidation:CertificateValidation": "waits for a certificate; nothing is made at AWS",
  "dynamodb/tableReplica:TableReplica":
    "CloudFormation has replicas as properties of AWS::DynamoDB::GlobalTable, which is not this table's type",
  "ec2/defaultSecurityGroup:DefaultSecurityGroup":
    "the group that comes with a VPC, which CloudFormation cannot change",
  "s3/bucketObjectv2:BucketObjectv2": "the functions' code; CloudFormation has no objects",
};
