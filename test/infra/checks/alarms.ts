import { expect } from "vitest";
import { type LogMetric, patternOf, SCHEDULE_LOG_METRICS } from "../../../infra/log-metrics.ts";
import { CLOUDWATCH_DIMENSION, cloudWatchNames } from "../../../worker/telemetry/cloudwatch-metrics.ts";
import { parseLimits } from "../../../worker/config/limits.ts";
import type { MetricRow } from "../../../worker/telemetry/metric-registry.ts";
import { METRICS } from "../../../worker/telemetry/metric-table.ts";
import type { Resource, Stack } from "../harness/stack.ts";
import {
  allOf,
  at,
  type Checks,
  edgeEnvironment,
  functionNamed,
  isProduction,
  listAt,
  named,
  onlyOne,
  textAt,
} from "./stack-reader.ts";

const ALARM = "cloudwatch/metricAlarm:MetricAlarm";
const FILTER = "cloudwatch/logMetricFilter:LogMetricFilter";

/**
 * Metrics of AWS's services and the set of dimensions that each is emitted with: an alarm on any other set
 * never fires and never says so. From AWS's pages "CloudWatch metrics" of each service.
 */
const EMITTED: Readonly<Record<string, readonly string[]>> = {
  "AWS/NetworkELB HealthyHostCount": ["LoadBalancer", "TargetGroup"],
  "AWS/NetworkELB UnHealthyHostCount": ["LoadBalancer", "TargetGroup"],
  "AWS/Lambda Duration": ["FunctionName"],
  "AWS/Lambda Errors": ["FunctionName"],
  "AWS/Lambda Invocations": ["FunctionName"],
  "AWS/Lambda Throttles": ["FunctionName"],
  "AWS/ApiGateway 5xx": ["ApiId"],
  "AWS/DynamoDB TransactionConflict": ["TableName"],
  "AWS/DynamoDB ReadThrottleEvents": ["TableName"],
  "AWS/DynamoDB WriteThrottleEvents": ["TableName"],
};

/** What a dimension may be: something of this stack. */
function valuesOf(stack: Stack, dimension: string): readonly string[] {
  switch (dimension) {
    case "LoadBalancer":
      return [`net/${textAt(onlyOne(stack, "lb/loadBalancer:LoadBalancer").inputs, "name")}/0`];
    case "TargetGroup":
      return [`targetgroup/${onlyOne(stack, "lb/targetGroup:TargetGroup").name}/0`];
    case "FunctionName":
      return ["ApiHandler", "ScheduleHandler"].map((name) =>
        textAt(functionNamed(stack, name).inputs, "name"),
      );
    case "ApiId":
      return [`${onlyOne(stack, "apigatewayv2/api:Api").name}-id`];
    case "TableName":
      return [textAt(onlyOne(stack, "dynamodb/table:Table").inputs, "name")];
    default:
      return [];
  }
}

const ofAws = ({ inputs }: Resource): boolean => textAt(inputs, "namespace").startsWith("AWS/");
const ourNamespace = ({ app }: Stack): string => `Postern/${app.stage}`;

interface Filter {
  readonly logGroup: string;
  readonly pattern: string;
  readonly name: string;
  readonly value: string;
}

const filtersOf = (stack: Stack): readonly Filter[] =>
  allOf(stack, FILTER).map(({ inputs }) => {
    expect(at(inputs, "metricTransformation", "namespace")).toBe(ourNamespace(stack));
    expect(at(inputs, "metricTransformation", "dimensions") ?? {}).toEqual({});
    return {
      logGroup: textAt(inputs, "logGroupName"),
      pattern: textAt(inputs, "pattern"),
      name: textAt(inputs, "metricTransformation", "name"),
      value: textAt(inputs, "metricTransformation", "value"),
    };
  });

/** As infra/ declares them, with the log that each is read from. */
function declaredFilters(stack: Stack): readonly Filter[] {
  const logGroup = textAt(functionNamed(stack, "ScheduleHandler").inputs, "loggingConfig", "logGroup");
  return Object.values<LogMetric>(SCHEDULE_LOG_METRICS).map(({ name, event, value }) => ({
    logGroup,
    pattern: patternOf(event),
    name,
    value: String(value),
  }));
}

const EDGE_METRICS: ReadonlySet<string> = new Set(
  Object.values<MetricRow>(METRICS).flatMap(({ cloudWatch = [] }) => cloudWatch.flatMap(cloudWatchNames)),
);
const EDGE_DIMENSIONS = { [CLOUDWATCH_DIMENSION.name]: CLOUDWATCH_DIMENSION.value };

/** They tell of one more of something; that the next minute brings none is no news. */
const EVENTS = [
  "CertificateBroken",
  "CertificateExpiring",
  "CleanUpHeldUp",
  "NextHopFails",
  "SettingsUnreadable",
];

export const ALARM_CHECKS: Checks = {
  "each event that the product promises to report has an alarm with a receiver": (stack) => {
    expect(
      allOf(stack, ALARM)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(
      [
        "ApiErrors",
        "ApiThrottled",
        "CertificateBroken",
        "CertificateExpired",
        "CertificateExpiring",
        "ChainVerifierMissing",
        "CleanUpHeldUp",
        "EdgeErrors",
        "EdgeReportsFail",
        "EdgeStale",
        "EdgeUnhealthy",
        // One edge is as many as there may be.
        ...(isProduction(stack) ? ["EdgesAtMaximum"] : []),
        "EdgesFull",
        "EdgesSilent",
        "MailNotDelivered",
        "NextHopFails",
        "NoEdge",
        "ScheduleFails",
        "ScheduleMemory",
        "ScheduleSilent",
        "ScheduleSlow",
        "SettingsUnreadable",
        "TableConflicts",
        "TableReadsThrottled",
        "TableWritesThrottled",
      ].toSorted(),
    );
    const topic = textAt(onlyOne(stack, "sns/topic:Topic").inputs, "name");
    for (const { name, inputs } of allOf(stack, ALARM)) {
      expect(inputs["okActions"] === undefined, name).toBe(EVENTS.includes(name));
      for (const actions of EVENTS.includes(name) ? ["alarmActions"] : ["alarmActions", "okActions"]) {
        expect(listAt(inputs, actions), name).toEqual([expect.stringMatching(new RegExp(`:${topic}$`, "u"))]);
      }
      expect(textAt(inputs, "alarmDescription"), name).not.toBe("");
    }
  },
  "every alarm on a metric of AWS has the dimensions that it is emitted with, of this stage": (stack) => {
    const alarms = allOf(stack, ALARM).filter(ofAws);
    expect(alarms).toHaveLength(10);
    for (const { name, inputs } of alarms) {
      const metric = `${textAt(inputs, "namespace")} ${textAt(inputs, "metricName")}`;
      const dimensions = Object.entries(at(inputs, "dimensions") ?? {});
      expect(dimensions.map(([dimension]) => dimension).toSorted(), name).toEqual(EMITTED[metric]);
      for (const [dimension, value] of dimensions) expect(valuesOf(stack, dimension), name).toContain(value);
    }
  },
  "every alarm on our own metrics watches one that edges or schedule make": (stack) => {
    const made = new Set(filtersOf(stack).map(({ name }) => name));
    const alarms = allOf(stack, ALARM).filter((alarm) => !ofAws(alarm));
    for (const { name, inputs } of alarms) {
      const metric = textAt(inputs, "metricName");
      expect(inputs["namespace"]).toBe(ourNamespace(stack));
      expect([...made, ...EDGE_METRICS], name).toContain(metric);
      // A filter on plain lines can give no dimensions.
      expect(inputs["dimensions"] ?? {}, name).toEqual(made.has(metric) ? {} : EDGE_DIMENSIONS);
    }
  },
  "edges publish their metrics where the alarms look": (stack) => {
    expect(edgeEnvironment(stack)["METRICS_EMF"]).toBe(ourNamespace(stack));
  },
  "an edge is added when the mean of their connections is high, long before they are full": (stack) => {
    const policy = onlyOne(stack, "appautoscaling/policy:Policy", named("EdgeConnections"));
    const target = onlyOne(stack, "appautoscaling/target:Target").inputs;
    for (const field of ["resourceId", "scalableDimension", "serviceNamespace"])
      expect(policy.inputs[field]).toBe(target[field]);
    const configuration = at(policy.inputs, "targetTrackingScalingPolicyConfiguration");
    expect(at(configuration, "customizedMetricSpecification")).toEqual({
      namespace: ourNamespace(stack),
      metricName: "ConnectionsOpen",
      dimensions: Object.entries(EDGE_DIMENSIONS).map(([name, value]) => ({ name, value })),
      statistic: "Average",
    });
    const limits = parseLimits(edgeEnvironment(stack)["LIMITS"] ?? "{}");
    expect(at(configuration, "targetValue")).toBeLessThanOrEqual(0.75 * limits.maxConnections);
  },
  "the dashboard has every metric that edges and schedule make, and every alarm": (stack) => {
    const body: unknown = JSON.parse(
      textAt(onlyOne(stack, "cloudwatch/dashboard:Dashboard").inputs, "dashboardBody"),
    );
    const [alarms, ...graphs] = listAt(body, "widgets");
    expect(listAt(alarms, "properties", "alarms")).toHaveLength(allOf(stack, ALARM).length);
    const shown = graphs.flatMap((graph) => listAt(graph, "properties", "metrics"));
    for (const metric of shown) expect(at(metric, 0)).toBe(ourNamespace(stack));
    const names = [...EDGE_METRICS, ...Object.values(SCHEDULE_LOG_METRICS).map(({ name }) => name)];
    expect(shown.map((metric) => textAt(metric, 1)).toSorted()).toEqual(names.toSorted());
    // CloudWatch's limits for one dashboard.
    expect(shown.length).toBeLessThanOrEqual(2_500);
    expect(graphs.length).toBeLessThan(500);
  },
  "metrics are made of the log that has the lines": (stack) => {
    const inOrder = (filters: readonly Filter[]) =>
      filters.map((filter) => JSON.stringify(filter)).toSorted();
    expect(inOrder(filtersOf(stack))).toEqual(inOrder(declaredFilters(stack)));
    const groups = allOf(stack, "cloudwatch/logGroup:LogGroup").map(({ inputs }) => inputs["name"]);
    for (const { logGroup } of filtersOf(stack)) expect(groups).toContain(logGroup);
  },
  "silence is an alarm where something must be heard, and nowhere else": (stack) => {
    const silence = Object.fromEntries(
      allOf(stack, ALARM).map(({ name, inputs }) => [name, inputs["treatMissingData"]]),
    );
    const { NoEdge, ScheduleSilent, EdgesSilent, ...others } = silence;
    expect([NoEdge, ScheduleSilent, EdgesSilent]).toEqual(["breaching", "breaching", "breaching"]);
    for (const [name, treated] of Object.entries(others)) expect(treated, name).toBe("notBreaching");
  },
};
