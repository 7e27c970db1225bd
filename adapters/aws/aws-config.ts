import { z } from "zod";

/**
 * The variables that choose the adapters of this folder. Region, credentials and endpoints are the SDK's own
 * `AWS_*` variables. infra/ takes the names from here by type.
 */
export const awsConfigSchema = z.object({
  STORE: z.literal("dynamodb"),
  TABLE_NAME: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{3,255}$/, "must be the name of a DynamoDB table: 3 to 255 of A-Z a-z 0-9 _ . -"),
  KEY_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "must be the name of an S3 bucket: 3 to 63 of a-z 0-9 . -"),
  KEY_KMS_KEY_ID: z
    .string()
    .regex(
      /^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/[A-Za-z0-9/_-]+|alias\/[A-Za-z0-9/_-]+|[A-Fa-f0-9-]{36}|mrk-[a-f0-9]{32})$/,
      "must be the ARN, id or alias of a KMS key",
    ),
});

export type AwsConfig = z.infer<typeof awsConfigSchema>;
