import { SWEEP_MINUTES, SWEEPS } from "../core/schedule.ts";
import { ciphersOf, environmentForSst, type ScheduleEnvironment, writerEnvironment } from "./environment.ts";
import {
  acmCertificates,
  deleteIssuanceState,
  forSst,
  keyObjects,
  listKeyObjects,
  parameterArn,
  type Permission,
  publishChallenges,
  readParameter,
  trustLambdaAlone,
  useKey,
  useTable,
} from "./permissions.ts";
import { type GateSettings, inCheckout, type Names } from "./gate-settings.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";

export interface ScheduleParts {
  readonly table: Table;
  readonly storage: Storage;
}

/** The schedule: one function, started by timers and by ACM's event. */
export function createSchedule(settings: GateSettings, { table, storage }: ScheduleParts) {
  const { names } = settings;
  const environment: ScheduleEnvironment = {
    ...writerEnvironment(table, storage),
    ...ciphersOf(settings.edge),
    ...settings.issuance.environment,
  };
  const handler = new sst.aws.Function(names.of("ScheduleHandler"), {
    bundle: inCheckout(settings, "dist/schedule"),
    handler: "lambda.handler",
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: `${settings.sizes.scheduleMemory} MB`,
    timeout: "5 minutes",
    environment: environmentForSst(environment),
    logging: { format: "text", retention: "1 year" },
    permissions: forSst([
      ...useTable(table, [
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        // Hosts and certificates that the write of a verified name rests on.
        "dynamodb:ConditionCheckItem",
      ]),
      // `trust` as well: a delete under If-Match has to see the object.
      ...keyObjects(storage, ["s3:GetObject"], ["keys", "trust", "private", "backup"]),
      ...keyObjects(storage, ["s3:PutObject"], ["keys", "backup"]),
      ...keyObjects(storage, ["s3:DeleteObject"], ["keys", "trust", "private"]),
      ...listKeyObjects(storage),
      ...useKey(storage, storage.keys.arn, ["kms:Decrypt", "kms:GenerateDataKey"]),
      ...acmCertificates(["acm:DescribeCertificate", "acm:ExportCertificate"]),
      ...orderFromCas(settings, { table, storage }),
    ]),
    transform: { role: trustLambdaAlone },
  });
  for (const sweep of SWEEPS) {
    new sst.aws.CronV2(names.of(`Sweep-${sweep}`), {
      function: handler.arn,
      schedule: rateOf(SWEEP_MINUTES[sweep]),
      event: { sweep },
      retries: 2,
    });
  }
  createAcmEvents(names, handler);
  return { handler };
}

/** Rights of orders at ACME CAs; none where no CA is set. */
function orderFromCas({ issuance }: GateSettings, { table, storage }: ScheduleParts): readonly Permission[] {
  const { directories, zones, parameters, key } = issuance;
  if (Object.keys(directories).length === 0) return [];
  return [
    ...deleteIssuanceState(table),
    ...keyObjects(storage, ["s3:GetObject"], ["acme"]),
    ...keyObjects(storage, ["s3:PutObject"], ["private", "acme"]),
    ...parameters.flatMap((name) => readParameter(parameterArn(name), key, "ssm:GetParameter")),
    ...publishChallenges(zones),
  ];
}

/** Rate expression of EventBridge Scheduler, in the largest unit that fits. */
function rateOf(minutes: number): `rate(${string})` {
  const [size, unit] = UNITS.find(([each]) => minutes % each === 0) ?? [1, "minute"];
  const count = minutes / size;
  return `rate(${count} ${unit}${count === 1 ? "" : "s"})`;
}

const UNITS = [
  [24 * 60, "day"],
  [60, "hour"],
] as const;

/** ACM sends an event when a certificate was issued or renewed; the daily sweep covers lost events. */
function createAcmEvents(names: Names, handler: sst.aws.Function): void {
  const rule = new aws.cloudwatch.EventRule(names.of("AcmAvailable"), {
    description: "Postern: a certificate of ACM was issued or renewed",
    eventPattern: JSON.stringify({ source: ["aws.acm"], "detail-type": ["ACM Certificate Available"] }),
  });
  const permission = new aws.lambda.Permission(names.of("AcmAvailablePermission"), {
    action: "lambda:InvokeFunction",
    function: handler.name,
    principal: "events.amazonaws.com",
    sourceArn: rule.arn,
  });
  new aws.cloudwatch.EventTarget(
    names.of("AcmAvailableTarget"),
    {
      rule: rule.name,
      arn: handler.arn,
      retryPolicy: { maximumRetryAttempts: 10, maximumEventAgeInSeconds: 3600 },
    },
    { dependsOn: [permission] },
  );
}
