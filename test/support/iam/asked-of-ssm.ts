import type { AwsRequest } from "./aws-request.ts";
import type { Ask } from "./judge.ts";
import { Unmapped } from "./policy.ts";

/** @param keyArn key that SecureStrings are under; null = AWS's own. @throws Unmapped */
export const askedOfSsm =
  (keyArn: string | null) =>
  ({ operation, body, common, arn, region }: AwsRequest): readonly Ask[] => {
    if (operation !== "GetParameter") throw new Unmapped(`ssm ${operation}`);
    const { Name: name = "" } = JSON.parse(body.toString()) as { readonly Name?: string };
    const resource = arn("ssm", `parameter${name}`);
    const read: Ask = { action: "ssm:GetParameter", resource, context: common };
    if (keyArn === null) return [read];
    const context = {
      ...common,
      "kms:viaservice": `ssm.${region}.amazonaws.com`,
      "kms:encryptioncontext:parameter_arn": resource,
    };
    return [read, { action: "kms:Decrypt", resource: keyArn, context }];
  };
