import { describe, expect, it } from "vitest";
import { awsConfigSchema } from "./aws-config.ts";

const right = {
  STORE: "dynamodb",
  TABLE_NAME: "postern-production",
  KEY_BUCKET: "postern-keys-1",
  KEY_KMS_KEY_ID: "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-4000-8000-000000000000",
};

describe("the variables of the adapters for AWS", () => {
  it.each([
    right,
    { ...right, KEY_KMS_KEY_ID: "alias/postern" },
    { ...right, KEY_KMS_KEY_ID: "mrk-0123456789abcdef0123456789abcdef" },
  ])("take %j", (variables) => {
    expect(awsConfigSchema.parse(variables)).toEqual(variables);
  });

  it.each([
    ["STORE", "sqlite"],
    ["STORE", undefined],
    ["TABLE_NAME", ""],
    ["TABLE_NAME", "a/b"],
    ["KEY_BUCKET", "Upper"],
    ["KEY_BUCKET", "s3://bucket"],
    ["KEY_BUCKET", undefined],
    ["KEY_KMS_KEY_ID", "key"],
    ["KEY_KMS_KEY_ID", "arn:aws:s3:::bucket"],
  ])("name %s when it is %j", (name, value) => {
    const { error } = awsConfigSchema.safeParse({ ...right, [name]: value });
    expect(error?.issues.map((issue) => issue.path)).toEqual([[name]]);
  });
});
