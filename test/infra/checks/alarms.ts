import { expect } from "vitest";
import { EDGE_LOG_METRICS, patternOf, SCHEDULE_LOG_METRICS } from "../../../infra/log-metrics.ts";
import type { Resource, Stack } from "../harness/stack.ts";
import {
  allOf,
  at,
  type Checks,
  edgeContainer,
  functionNamed,
  listAt,
  onlyOne,
  textAt,
} from "./stack-reader.ts";

const ALARM = "cloudwatch/metricAlarm:MetricAlarm";
const FILTER = "cloudwatch/logMetricFilter:LogMetricFilter";

/**
 * Metrics of AWS's services and the set of dimensions that each is emitted with: an alarm on any other set waits for ever
 * and never says so. From AWS's pages "CloudWatch metrics" of each service.
 */
const EMITTED: Readonly<Record<string, readonly string[]>> = {
  "AWS/NetworkELB HealthyHostCount": ["LoadBalancer", "TargetGroup"],
  "AWS/Lambda Errors": ["FunctionName"],
  "AWS/Lambda Invocations": ["FunctionName"],
  "AWS/Lambda Throttles": ["FunctionName"],
  "AWS/ApiGateway 5xx": ["ApiId"],
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
  const edge = textAt(edgeContainer(stack), "logConfiguration", "options", "awslogs-group");
  const schedule = textAt(functionNamed(stack, "ScheduleHandler").inputs, "loggingConfig", "logGroup");
  return [...declared(EDGE_LOG_METRICS, edge), ...declared(SCHEDULE_LOG_METRICS, schedule)];
}

type Declared = Readonly<
  Record<string, { readonly name: string; readonly values: Readonly<Record<string, string | number>> }>
>;

const declared = (metrics: Declared, logGroup: string): readonly Filter[] =>
  Object.values(metrics).flatMap(({ name, values }) =>
    Object.entries(values).map(([event, value]) => ({
      logGroup,
      pattern: patternOf(event),
      name,
      value: String(value),
    })),
  );

export const ALARM_CHECKS: Checks = {
  "somebody hears of each thing that the product promises to tell": (stack) => {
    expect(
      allOf(stack, ALARM)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual([
      "ApiErrors",
      "ApiThrottled",
      "CertificateExpiring",
      "EdgeErrors",
      "EdgeStale",
      "NoEdge",
      "ScheduleFails",
      "ScheduleSilent",
      "TableReadsThrottled",
      "TableWritesThrottled",
    ]);
    const topic = textAt(onlyOne(stack, "sns/topic:Topic").inputs, "name");
    for (const { name, inputs } of allOf(stack, ALARM)) {
      for (const actions of ["alarmActions", "okActions"]) {
        expect(listAt(inputs, actions), name).toEqual([expect.stringMatching(new RegExp(`:${topic}$`, "u"))]);
      }
      expect(textAt(inputs, "alarmDescription"), name).not.toBe("");
    }
  },
  "every alarm on a metric of AWS has the dimensions that it is emitted with, of this stage": (stack) => {
    const alarms = allOf(stack, ALARM).filter(ofAws);
    expect(alarms).toHaveLength(7);
    for (const { name, inputs } of alarms) {
      const metric = `${textAt(inputs, "namespace")} ${textAt(inputs, "metricName")}`;
      const dimensions = Object.entries(at(inputs, "dimensions") ?? {});
      expect(dimensions.map(([dimension]) => dimension).toSorted(), name).toEqual(EMITTED[metric]);
      for (const [dimension, value] of dimensions) expect(valuesOf(stack, dimension), name).toContain(value);
    }
  },
  "every alarm on a metric of ours has a filter that makes it": (stack) => {
    const made = new Set(filtersOf(stack).map(({ name }) => name));
    const alarms = allOf(stack, ALARM).filter((alarm) => !ofAws(alarm));
    expect(alarms).toHaveLength(3);
    for (const { inputs } of alarms) {
      expect(inputs["namespace"]).toBe(ourNamespace(stack));
      expect(inputs["dimensions"] ?? {}).toEqual({});
      expect([...made]).toContain(inputs["metricName"]);
    }
    expect(made).toHaveLength(alarms.length);
  },
  "metrics are made of the log that has the lines": (stack) => {
    const inOrder = (filters: readonly Filter[]) =>
      filters.map((filter) => JSON.stringify(filter)).toSorted();
    expect(inOrder(filtersOf(stack))).toEqual(inOrder(declaredFilters(stack)));
    const groups = allOf(stack, "cloudwatch/logGroup:LogGroup").map(({ inputs }) => inputs["name"]);
    for (const { logGroup } of filtersOf(stack)) expect(groups).toContain(logGroup);
  },
  "silence is an alarm where something must be heard": (stack) => {
    const silence = Object.fromEntries(
      allOf(stack, ALARM).map(({ name, inputs }) => [name, inputs["treatMissingData"]]),
    );
    expect(silence).toMatchObject({ NoEdge: "breaching", ScheduleSilent: "breaching", EdgeStale: "ignore" });
  },
};
