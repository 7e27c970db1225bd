import { FAILING_AFTER_MS } from "../worker/telemetry/metric-table.ts";
import type { Replication } from "./copies.ts";
import { type LogMetric, patternOf, SCHEDULE_LOG_METRICS } from "./log-metrics.ts";
import { edgeMetric } from "./metrics.ts";
import type { GateSettings, Names } from "./gate-settings.ts";
import type { Table } from "./table.ts";
import type { Worker } from "./worker.ts";
import type { Writers } from "./writers.ts";

const MINUTE = 60;
const HOUR = 3600;
/**
 * Longer than the interruption of a deployment, shorter than the delay that a sender's queue would report.
 */
const STALE_SECONDS = 60;
/** Share of a function's memory and time: at 100 % Lambda kills the function. */
const NEARLY_ALL = 0.8;

export interface AlarmParts {
  readonly table: Table;
  /** null = no region receives copies. */
  readonly replication: Replication | null;
  /** null = another region writes. */
  readonly writers: Writers | null;
  readonly worker: Worker;
}

/** `event`: an event, so that the end of the alarm has no meaning. Otherwise a state. */
type AlarmArgs = Omit<aws.cloudwatch.MetricAlarmArgs, "alarmActions" | "okActions"> & {
  readonly event?: true;
};
type Alarm = (name: string, args: AlarmArgs) => aws.cloudwatch.MetricAlarm;

/**
 * Alarms of a gate. Each names its metric with the dimensions that it is emitted with; the namespace is the
 * gate's unless AWS emits it. Where several things
 * can fail apart from each other (certificates, next hops, stored items), the alarm counts those that newly
 * failed: on the state, one that an operator has left alone would keep it ringing and hide all others.
 */
export function createAlarms(
  settings: GateSettings,
  parts: AlarmParts,
): readonly aws.cloudwatch.MetricAlarm[] {
  const { names } = settings;
  const topic = new sst.aws.SnsTopic(names.of("Alarms"));
  if (settings.alarmEmail !== null) {
    const args = { topic: topic.arn, protocol: "email", endpoint: settings.alarmEmail };
    // Production retains replaced resources: the previous mailbox would still receive alarms.
    new aws.sns.TopicSubscription(names.of("AlarmsEmail"), args, { retainOnDelete: false });
  }
  const made: aws.cloudwatch.MetricAlarm[] = [];
  const alarm: Alarm = (name, { event, ...args }) => {
    const actions = event
      ? { alarmActions: [topic.arn] }
      : { alarmActions: [topic.arn], okActions: [topic.arn] };
    const one = new aws.cloudwatch.MetricAlarm(names.of(name), {
      namespace: names.metrics,
      ...args,
      ...actions,
    });
    made.push(one);
    return one;
  };
  alarmsOfBalancer(alarm, parts);
  alarmsOfCapacity(alarm, settings);
  alarmsOfEdges(alarm);
  alarmsOfDeliveries(alarm);
  alarmsOfTable(alarm, parts);
  if (parts.replication !== null) alarmsOfCopies(alarm, parts.table, parts.replication);
  if (parts.writers !== null) {
    alarmsOfCertificates(alarm);
    alarmsOfSchedule(alarm, names, parts.writers);
    alarmsOfRequests(alarm, parts.writers);
  }
  return made;
}

const atLeast = (threshold: $util.Input<number>) =>
  ({ comparisonOperator: "GreaterThanOrEqualToThreshold", threshold }) as const;
const above = (threshold: $util.Input<number>) =>
  ({ comparisonOperator: "GreaterThanThreshold", threshold }) as const;
const below = (threshold: number) => ({ comparisonOperator: "LessThanThreshold", threshold }) as const;
/** Seconds of a period, and how many of them must breach. */
const during = (period: number, evaluationPeriods = 1) => ({ period, evaluationPeriods });
/**
 * Edges write their metrics every minute; without them `EdgesSilent` is raised, so other alarms ignore
 * missing values.
 */
const QUIET = { treatMissingData: "notBreaching" } as const;
/** A new failure, in the minute in which an edge detects it. */
const NEWLY = { event: true, statistic: "Sum", ...during(MINUTE), ...atLeast(1), ...QUIET } as const;

function alarmsOfBalancer(alarm: Alarm, { worker }: AlarmParts): void {
  const { loadBalancer, service } = worker.service.nodes;
  const targets = service.loadBalancers.apply((all) => all?.[0]?.targetGroupArn?.split(":").at(-1) ?? "");
  const ofBalancer = {
    namespace: "AWS/NetworkELB",
    dimensions: { LoadBalancer: loadBalancer.arnSuffix, TargetGroup: targets },
    statistic: "Maximum",
  } as const;
  alarm("NoEdge", {
    ...ofBalancer,
    ...during(MINUTE, 2),
    ...below(1),
    alarmDescription: "No edge takes mail: none is healthy behind the load balancer",
    metricName: "HealthyHostCount",
    treatMissingData: "breaching",
  });
  alarm("EdgeUnhealthy", {
    ...ofBalancer,
    // A task that is replaced drains; one that starts is not counted before its first checks.
    ...during(MINUTE, 5),
    ...atLeast(1),
    alarmDescription: "An edge of several is not healthy for 5 minutes; the others take its mail",
    metricName: "UnHealthyHostCount",
    // The balancer has no values for a group without targets; NoEdge covers that.
    ...QUIET,
  });
}

function alarmsOfCapacity(alarm: Alarm, { edges }: GateSettings): void {
  alarm("EdgesSilent", {
    ...edgeMetric("ConnectionsOpen"),
    ...during(MINUTE, 5),
    ...below(1),
    alarmDescription: "No edge has published metrics for 5 minutes; the alarms on them show nothing",
    statistic: "SampleCount",
    treatMissingData: "breaching",
  });
  alarm("EdgesFull", {
    ...edgeMetric("LimitHits_maxConnections"),
    ...during(MINUTE),
    ...atLeast(1),
    alarmDescription: "An edge turns clients away: it holds as many connections as it may",
    statistic: "Sum",
    // Has values only in minutes in which it happened.
    ...QUIET,
  });
  // With a fixed number of edges there is nothing to scale, and the alarm would never end.
  if (edges.max === edges.min) return;
  alarm("EdgesAtMaximum", {
    ...edgeMetric("ConnectionsOpen"),
    // Each edge writes one line a minute, so their number is that of the values. A deployment doubles it for
    // some minutes.
    ...during(MINUTE, 15),
    datapointsToAlarm: 12,
    ...atLeast(edges.max),
    alarmDescription: "As many edges run as POSTERN_EDGES_MAX allows; more load cannot be met by more edges",
    statistic: "SampleCount",
    ...QUIET,
  });
}

function alarmsOfEdges(alarm: Alarm): void {
  alarm("EdgeStale", {
    ...edgeMetric("SettingsStaleSeconds"),
    ...during(MINUTE),
    ...above(STALE_SECONDS),
    alarmDescription: "An edge cannot read the store; it goes on by the settings that it has",
    // Each edge has a value every minute: one that recovers does not end the alarm for another.
    statistic: "Maximum",
    ...QUIET,
  });
  alarm("EdgeErrors", {
    ...edgeMetric("InternalErrors"),
    ...during(5 * MINUTE),
    ...atLeast(1),
    alarmDescription: "An edge met an error that no code expected",
    statistic: "Sum",
    ...QUIET,
  });
  alarm("EdgeReportsFail", {
    ...edgeMetric("EdgeReportsFailed"),
    // A failed report is sent again within 10 s, so that an edge that cannot report fails in every minute.
    ...during(MINUTE, 5),
    ...atLeast(1),
    alarmDescription: "An edge cannot report to the table: the API shows it as lost, and domains as pending",
    statistic: "Sum",
    ...QUIET,
  });
  alarm("ChainVerifierMissing", {
    ...edgeMetric("ChainVerifierMissing"),
    ...during(MINUTE, 5),
    ...atLeast(1),
    alarmDescription: "An edge has no openssl: client certificates that it must judge itself are deferred",
    statistic: "Maximum",
    ...QUIET,
  });
  alarm("SettingsUnreadable", {
    ...edgeMetric("SettingsNewlyUnreadable"),
    ...NEWLY,
    alarmDescription: "One more stored item cannot be read; its previous version stays in force",
  });
  alarm("CertificateBroken", {
    ...edgeMetric("CertificatesNewlyBroken"),
    ...NEWLY,
    alarmDescription: "One more certificate does not load at an edge; what served before goes on serving",
  });
}

/**
 * Alarms of the copies in another region. A full load there tolerates delays under 15 minutes
 * (adapters/aws/dynamodb-load.ts).
 */
const LATE_MS = 60_000;

function alarmsOfCopies(alarm: Alarm, table: Table, { region, from, to, rule }: Replication): void {
  alarm("CopiesLate", {
    namespace: "AWS/DynamoDB",
    metricName: "ReplicationLatency",
    dimensions: { TableName: table.name, ReceivingRegion: region },
    statistic: "Average",
    ...during(MINUTE, 5),
    ...above(LATE_MS),
    alarmDescription: "Settings reach the standby region late or not at all",
    // Edges report every few seconds: without a value, nothing arrives.
    treatMissingData: "breaching",
  });
  alarm("CopiesFail", {
    namespace: "AWS/S3",
    metricName: "OperationsFailedReplication",
    dimensions: { SourceBucket: from.name, DestinationBucket: to.name, RuleId: rule },
    statistic: "Sum",
    ...during(5 * MINUTE),
    ...atLeast(1),
    alarmDescription: "A key, trust store or backup was not copied to the standby region",
    ...QUIET,
  });
}

function alarmsOfDeliveries(alarm: Alarm): void {
  alarm("MailNotDelivered", {
    ...edgeMetric("DeliveryFailingSeconds"),
    ...during(MINUTE),
    ...atLeast(FAILING_AFTER_MS / 1000),
    alarmDescription:
      "POSTERN_DELIVERY has taken no message for 10 minutes; senders keep their mail and try again",
    statistic: "Maximum",
    ...QUIET,
  });
  alarm("NextHopFails", {
    ...edgeMetric("NextHopsNewlyFailing"),
    ...NEWLY,
    alarmDescription: "One more next hop of a domain has taken no message for 10 minutes",
  });
}

function alarmsOfCertificates(alarm: Alarm): void {
  alarm("CertificateExpiring", {
    ...scheduleMetric("reached"),
    event: true,
    // One value an hour: the alarm ends five minutes later, and the next certificate raises it again.
    ...during(5 * MINUTE),
    ...atLeast(1),
    alarmDescription:
      "A certificate in use that the operator renews, or whose renewal fails, has 30, 14, 7, 1 or 0 days left: GET /v1/certificates?state=expiring",
    statistic: "Maximum",
    // ScheduleFails and ScheduleSilent cover a sweep that fails or does not run.
    ...QUIET,
  });
  alarm("CertificateExpired", {
    ...scheduleMetric("expired"),
    ...during(HOUR, 2),
    datapointsToAlarm: 1,
    ...atLeast(1),
    alarmDescription:
      "A certificate that has expired is served. Others that come to their end ring CertificateExpiring",
    statistic: "Maximum",
    ...QUIET,
  });
}

const scheduleMetric = (key: keyof typeof SCHEDULE_LOG_METRICS) => ({
  metricName: SCHEDULE_LOG_METRICS[key].name,
});

function alarmsOfSchedule(alarm: Alarm, names: Names, { schedule }: Writers): void {
  const { nodes } = schedule.handler;
  createLogMetrics(
    names,
    nodes.logGroup.apply((group) => group?.name ?? $output("")),
  );
  const ofFunction = {
    namespace: "AWS/Lambda",
    dimensions: { FunctionName: schedule.handler.name },
  } as const;
  alarm("ScheduleFails", {
    ...ofFunction,
    ...during(15 * MINUTE),
    ...atLeast(1),
    alarmDescription: "A sweep failed: snapshot backup, expiry, renewal or clean-up",
    metricName: "Errors",
    statistic: "Sum",
    ...QUIET,
  });
  alarm("ScheduleSilent", {
    ...ofFunction,
    ...during(15 * MINUTE, 2),
    ...below(1),
    alarmDescription: "The schedule has not run: no snapshot backup for half an hour",
    metricName: "Invocations",
    statistic: "Sum",
    treatMissingData: "breaching",
  });
  alarm("ScheduleSlow", {
    ...ofFunction,
    ...during(15 * MINUTE),
    ...above(nodes.function.timeout.apply((seconds) => (seconds ?? 0) * 1000 * NEARLY_ALL)),
    alarmDescription: "A sweep takes nearly all the time that its function has",
    metricName: "Duration",
    statistic: "Maximum",
    ...QUIET,
  });
  alarm("ScheduleMemory", {
    ...scheduleMetric("memory"),
    ...during(15 * MINUTE),
    ...above(nodes.function.memorySize.apply((megabytes) => (megabytes ?? 0) * NEARLY_ALL)),
    alarmDescription: "A sweep takes nearly all the memory that its function has; it grows with the domains",
    statistic: "Maximum",
    ...QUIET,
  });
  alarm("CleanUpHeldUp", {
    ...scheduleMetric("cleanUpHeldUp"),
    event: true,
    ...during(5 * MINUTE),
    ...atLeast(1),
    alarmDescription: "Keys without a record are kept, since stored items cannot be read",
    statistic: "Sum",
    ...QUIET,
  });
}

/** Conflicting transactions a second: some conflicts are expected, and such writes are sent again. */
const CONFLICTS_PER_SECOND = 1;

const COUNTED = { statistic: "Sum", ...QUIET, ...during(5 * MINUTE) } as const;

function alarmsOfRequests(alarm: Alarm, { api }: Writers): void {
  alarm("ApiErrors", {
    ...COUNTED,
    ...atLeast(5),
    alarmDescription: "The API answers with 5xx",
    namespace: "AWS/ApiGateway",
    metricName: "5xx",
    dimensions: { ApiId: api.api.nodes.api.id },
  });
  alarm("ApiThrottled", {
    ...COUNTED,
    ...atLeast(1),
    alarmDescription: "Lambda refuses to run the API: too many at one time in this account",
    namespace: "AWS/Lambda",
    metricName: "Throttles",
    dimensions: { FunctionName: api.handler.name },
  });
}

function alarmsOfTable(alarm: Alarm, { table }: AlarmParts): void {
  const ofTable = { namespace: "AWS/DynamoDB", dimensions: { TableName: table.name } } as const;
  for (const kind of ["Read", "Write"] as const) {
    alarm(`Table${kind}sThrottled`, {
      ...COUNTED,
      ...ofTable,
      ...atLeast(10),
      alarmDescription: `DynamoDB throttles ${kind.toLowerCase()}s of the settings`,
      metricName: `${kind}ThrottleEvents`,
    });
  }
  alarm("TableConflicts", {
    ...COUNTED,
    ...ofTable,
    ...during(5 * MINUTE, 3),
    ...atLeast(CONFLICTS_PER_SECOND * 5 * MINUTE),
    alarmDescription:
      "Writers of settings stand in each other's way for 15 minutes; callers wait, or receive 503",
    metricName: "TransactionConflict",
  });
}

function createLogMetrics(names: Names, logGroupName: $util.Input<string>): void {
  for (const { name, event, value } of Object.values<LogMetric>(SCHEDULE_LOG_METRICS)) {
    new aws.cloudwatch.LogMetricFilter(names.of(`Schedule-${name}-${event}`), {
      logGroupName,
      pattern: patternOf(event),
      metricTransformation: { namespace: names.metrics, name, value: String(value) },
    });
  }
}
