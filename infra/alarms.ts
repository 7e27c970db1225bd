import type { Api } from "./api.ts";
import { EDGE_LOG_METRICS, type LogMetric, patternOf, SCHEDULE_LOG_METRICS } from "./log-metrics.ts";
import type { Schedule } from "./schedule.ts";
import type { Settings } from "./settings.ts";
import type { Table } from "./table.ts";
import { edgeLogGroup, type Worker } from "./worker.ts";

const MINUTE = 60;
const HOUR = 3600;
/** Longer than a deployment's hiccup, shorter than what a sender's queue would notice. */
const STALE_SECONDS = 60;
/** Public CAs renew 30 days before; an operator who does it by hand has two weeks. */
const DAYS_LEFT = 14;

export interface AlarmParts {
  readonly table: Table;
  readonly api: Api;
  readonly schedule: Schedule;
  readonly worker: Worker;
}

type AlarmArgs = Omit<aws.cloudwatch.MetricAlarmArgs, "alarmActions" | "okActions">;

/** What somebody must hear of. Each says which metric, with the very dimensions that it is emitted with. */
export function createAlarms(settings: Settings, parts: AlarmParts): void {
  const topic = new sst.aws.SnsTopic("Alarms");
  if (settings.alarmEmail !== null) {
    const args = { topic: topic.arn, protocol: "email", endpoint: settings.alarmEmail };
    new aws.sns.TopicSubscription("AlarmsEmail", args);
  }
  const alarm = (name: string, args: AlarmArgs): void => {
    new aws.cloudwatch.MetricAlarm(name, { ...args, alarmActions: [topic.arn], okActions: [topic.arn] });
  };
  alarmsOfEdges(alarm, parts);
  alarmsOfCertificates(alarm, parts);
  alarmsOfRequests(alarm, parts);
}

type Alarm = (name: string, args: AlarmArgs) => void;

/** A namespace for each stage, and no dimensions: a filter on plain lines can give none. */
const namespace = (): string => `Postern/${$app.stage}`;

function alarmsOfEdges(alarm: Alarm, { worker }: AlarmParts): void {
  const { loadBalancer, service } = worker.service.nodes;
  const targets = service.loadBalancers.apply((all) => all?.[0]?.targetGroupArn?.split(":").at(-1) ?? "");
  alarm("NoEdge", {
    alarmDescription: "No edge takes mail: none is healthy behind the load balancer",
    namespace: "AWS/NetworkELB",
    metricName: "HealthyHostCount",
    dimensions: { LoadBalancer: loadBalancer.arnSuffix, TargetGroup: targets },
    statistic: "Maximum",
    period: MINUTE,
    evaluationPeriods: 2,
    comparisonOperator: "LessThanThreshold",
    threshold: 1,
    treatMissingData: "breaching",
  });
  metricsOf("Edge", EDGE_LOG_METRICS, { logGroup: edgeLogGroup(), dependsOn: [worker.service] });
  alarm("EdgeStale", {
    alarmDescription: "An edge cannot read the store; it goes on by the settings that it has",
    namespace: namespace(),
    metricName: EDGE_LOG_METRICS.settingsStale.name,
    statistic: "Maximum",
    period: MINUTE,
    evaluationPeriods: 1,
    comparisonOperator: "GreaterThanThreshold",
    threshold: STALE_SECONDS,
    // Lines come ever more rarely while it lasts, and none at all while all is well.
    treatMissingData: "ignore",
  });
  alarm("EdgeErrors", {
    alarmDescription: "An edge met an error that no code expected",
    namespace: namespace(),
    metricName: EDGE_LOG_METRICS.internalErrors.name,
    statistic: "Sum",
    period: 5 * MINUTE,
    evaluationPeriods: 1,
    comparisonOperator: "GreaterThanOrEqualToThreshold",
    threshold: 1,
    treatMissingData: "notBreaching",
  });
}

function alarmsOfCertificates(alarm: Alarm, { schedule }: AlarmParts): void {
  const logGroup = schedule.handler.nodes.logGroup.apply((group) => group?.name ?? $output(""));
  metricsOf("Schedule", SCHEDULE_LOG_METRICS, { logGroup, dependsOn: [] });
  alarm("CertificateExpiring", {
    alarmDescription: `A certificate in use expires within ${DAYS_LEFT} days`,
    namespace: namespace(),
    metricName: SCHEDULE_LOG_METRICS.expiry.name,
    statistic: "Minimum",
    period: HOUR,
    evaluationPeriods: 3,
    datapointsToAlarm: 1,
    comparisonOperator: "LessThanThreshold",
    threshold: DAYS_LEFT,
    // No certificate in use is no line with days; that the sweep itself fails is ScheduleFails.
    treatMissingData: "notBreaching",
  });
  alarm("ScheduleFails", {
    alarmDescription: "A sweep failed: snapshot backup, expiry, renewal or clean-up",
    namespace: "AWS/Lambda",
    metricName: "Errors",
    dimensions: { FunctionName: schedule.handler.name },
    statistic: "Sum",
    period: 15 * MINUTE,
    evaluationPeriods: 1,
    comparisonOperator: "GreaterThanOrEqualToThreshold",
    threshold: 1,
    treatMissingData: "notBreaching",
  });
  alarm("ScheduleSilent", {
    alarmDescription: "The schedule has not run: no snapshot backup for half an hour",
    namespace: "AWS/Lambda",
    metricName: "Invocations",
    dimensions: { FunctionName: schedule.handler.name },
    statistic: "Sum",
    period: 15 * MINUTE,
    evaluationPeriods: 2,
    comparisonOperator: "LessThanThreshold",
    threshold: 1,
    treatMissingData: "breaching",
  });
}

function alarmsOfRequests(alarm: Alarm, { api, table }: AlarmParts): void {
  const counted = { statistic: "Sum", evaluationPeriods: 1, treatMissingData: "notBreaching" } as const;
  const atLeast = (threshold: number) =>
    ({ comparisonOperator: "GreaterThanOrEqualToThreshold", threshold }) as const;
  alarm("ApiErrors", {
    ...counted,
    ...atLeast(5),
    alarmDescription: "The API answers with 5xx",
    namespace: "AWS/ApiGateway",
    metricName: "5xx",
    dimensions: { ApiId: api.api.nodes.api.id },
    period: 5 * MINUTE,
  });
  alarm("ApiThrottled", {
    ...counted,
    ...atLeast(1),
    alarmDescription: "Lambda refuses to run the API: too many at one time in this account",
    namespace: "AWS/Lambda",
    metricName: "Throttles",
    dimensions: { FunctionName: api.handler.name },
    period: 5 * MINUTE,
  });
  for (const kind of ["Read", "Write"] as const) {
    alarm(`Table${kind}sThrottled`, {
      ...counted,
      ...atLeast(10),
      alarmDescription: `DynamoDB throttles ${kind.toLowerCase()}s of the settings`,
      namespace: "AWS/DynamoDB",
      metricName: `${kind}ThrottleEvents`,
      dimensions: { TableName: table.name },
      period: 5 * MINUTE,
    });
  }
}

interface LogSource {
  readonly logGroup: $util.Input<string>;
  readonly dependsOn: $util.Resource[];
}

function metricsOf(
  source: string,
  metrics: Readonly<Record<string, LogMetric<string>>>,
  { logGroup, dependsOn }: LogSource,
): void {
  for (const { name, values } of Object.values(metrics)) {
    for (const [event, value] of Object.entries(values)) {
      new aws.cloudwatch.LogMetricFilter(
        `${source}-${name}-${event}`,
        {
          logGroupName: logGroup,
          pattern: patternOf(event),
          metricTransformation: { namespace: namespace(), name, value: String(value) },
        },
        { dependsOn },
      );
    }
  }
}
