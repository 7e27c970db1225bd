import type { Faults } from "./planted.ts";

const API = "infra/api.ts";
const SCHEDULE = "infra/schedule.ts";
const PERMISSIONS = "infra/permissions.ts";
const TASK = "infra/worker-task.ts";
const TRUST = "every role is assumed by one service, and by no principal of the account";
const EDGE_GRANTS = "an edge reads settings and keys, writes its report, and delivers";

/** Who may do what. Planted in production, one at a time. */
export const ROLE_FAULTS: Faults = {
  "functions' roles trust the account's root": {
    file: API,
    find: "role: trustLambdaAlone",
    replace: "",
    caughtBy: TRUST,
  },
  "the schedule's role trusts the account's root": {
    file: SCHEDULE,
    find: "role: trustLambdaAlone",
    replace: "",
    caughtBy: TRUST,
  },
  "the API may do anything with the table": {
    file: API,
    find: '"dynamodb:BatchWriteItem"',
    replace: '"dynamodb:*"',
    caughtBy: "no role has an action by pattern, or a resource by pattern where AWS has a name",
  },
  "the API is linked to the table": {
    file: API,
    find: 'handler: "lambda.handler",',
    replace: 'handler: "lambda.handler",\n    link: [table],',
    caughtBy: "the API's role does what the API does",
  },
  "the schedule is linked to the bucket": {
    file: SCHEDULE,
    find: 'handler: "lambda.handler",',
    replace: 'handler: "lambda.handler",\n    link: [storage.keys],',
    caughtBy: "the schedule's role does what the sweeps do",
  },
  "an edge writes settings": {
    file: TASK,
    find: "...writeEdgeReports(table),",
    replace: '...writeEdgeReports(table),\n    { actions: ["dynamodb:PutItem"], resources: [table.arn] },',
    caughtBy: "an edge writes under the partition of reports alone",
  },
  "an edge writes under another partition": {
    file: PERMISSIONS,
    find: 'EDGE_PARTITION = "EDGE"',
    replace: 'EDGE_PARTITION = "HEAD"',
    caughtBy: "an edge writes under the partition of reports alone",
  },
  "the policy and the edge read a place for mail apart": {
    file: TASK,
    find: '`s3://${mail?.name ?? ""}/${MAIL_PREFIX}`',
    replace: '`s3://${mail?.name ?? ""}/${MAIL_PREFIX}-${mail?.name ?? ""}`',
    caughtBy: "an edge may write mail where it writes mail",
  },
  "an edge changes keys": {
    file: TASK,
    find: 'keyObjects(storage, ["s3:GetObject"],',
    replace: 'keyObjects(storage, ["s3:GetObject", "s3:PutObject"],',
    caughtBy: EDGE_GRANTS,
  },
  "an edge reads the mail that it delivered": {
    file: PERMISSIONS,
    find: '"s3:PutObject", "s3:AbortMultipartUpload"',
    replace: '"s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"',
    caughtBy: EDGE_GRANTS,
  },
  "an absent key looks like a forbidden one": {
    file: TASK,
    find: "...listKeyObjects(storage),",
    replace: "",
    caughtBy: EDGE_GRANTS,
  },
  "an edge makes keys for the key bucket": {
    file: TASK,
    find: 'useKey(storage, storage.keys.arn, ["kms:Decrypt"])',
    replace: 'useKey(storage, storage.keys.arn, ["kms:Decrypt", "kms:GenerateDataKey"])',
    caughtBy: "an edge cannot make keys for the key bucket",
  },
  "the product's key opens whatever S3 holds": {
    file: PERMISSIONS,
    find: 'test: "StringLike",',
    replace: 'test: "StringLikeIfExists",',
    caughtBy: "the product's key is used through S3 alone, for one bucket each",
  },
  "a shell can be opened in every task": {
    file: TASK,
    find: "args.inlinePolicies = [inlinePolicy(permissionsOf(settings, parts))];",
    replace: "",
    caughtBy: EDGE_GRANTS,
  },
  "the execution role reads every secret of the account": {
    file: TASK,
    find: "    args.inlinePolicies =\n      delivery.kind",
    replace: "    const unused =\n      delivery.kind",
    caughtBy: "what starts an edge reads no parameter that it does not need",
  },
  "a function may do anything": {
    file: API,
    find: 'handler: "lambda.handler",',
    replace: 'handler: "lambda.handler",\n    policies: ["arn:aws:iam::aws:policy/AdministratorAccess"],',
    caughtBy: "no role has a policy of AWS's beyond logs and the image",
  },
  "the clock may write to a queue of another account": {
    file: SCHEDULE,
    find: "event: { sweep },",
    replace: 'event: { sweep },\n      dlq: "arn:aws:sqs:eu-central-1:210987654321:queue",',
    caughtBy: "the clock may start the schedule and nothing else",
  },
  "the keys of all certificates of the account are exported": {
    file: PERMISSIONS,
    find: 'conditions: [tagged("aws:ResourceTag")]',
    replace: "conditions: []",
    caughtBy:
      "of the account's certificates only those that the product ordered are described, exported or deleted",
  },
};
