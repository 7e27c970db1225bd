import { CLOUDWATCH_DIMENSION, cloudWatchNames } from "../worker/telemetry/cloudwatch-metrics.ts";
import type { MetricRow } from "../worker/telemetry/metric-registry.ts";
import { METRICS } from "../worker/telemetry/metric-table.ts";
import { SCHEDULE_LOG_METRICS } from "./log-metrics.ts";
import type { Names } from "./gate-settings.ts";

/** Units of CloudWatch's grid, 24 wide. */
const WIDTH = 8;
const HEIGHT = 6;
const ALARMS_HEIGHT = 4;
const COLUMNS = 24 / WIDTH;

type Metric = readonly [string, string, ...(string | { readonly stat: string })[]];

interface Graph {
  readonly title: string;
  readonly metrics: readonly Metric[];
}

/**
 * One page of a stage: the alarms, a graph for each row of the edges' table of metrics, and the schedule's.
 */
export function createDashboard(
  names: Names,
  alarms: readonly aws.cloudwatch.MetricAlarm[],
): aws.cloudwatch.Dashboard {
  const region = aws.getRegionOutput().region;
  return new aws.cloudwatch.Dashboard(names.of("Dashboard"), {
    dashboardName: names.once,
    dashboardBody: $util.all([region, ...alarms.map(({ arn }) => arn)]).apply(([where = "", ...arns]) =>
      JSON.stringify({
        widgets: [
          {
            type: "alarm",
            x: 0,
            y: 0,
            width: 24,
            height: ALARMS_HEIGHT,
            properties: { title: "Alarms", alarms: arns },
          },
          ...[...edgeGraphs(names), scheduleGraph(names)].map((graph, index) =>
            widgetOf(graph, index, where),
          ),
        ],
      }),
    ),
  });
}

/** A gauge shows the worst edge; counters are summed over all edges. */
function edgeGraphs({ metrics: namespace }: Names): readonly Graph[] {
  const { name: dimension, value } = CLOUDWATCH_DIMENSION;
  return Object.values<MetricRow>(METRICS).flatMap(({ help, kind, cloudWatch = [] }) => {
    if (cloudWatch.length === 0) return [];
    const metrics = cloudWatch.flatMap((row): Metric[] => {
      const stat = kind === "gauge" && row.rise === undefined ? "Maximum" : "Sum";
      return cloudWatchNames(row).map((name) => [namespace, name, dimension, value, { stat }]);
    });
    return [{ title: help, metrics }];
  });
}

function scheduleGraph({ metrics: namespace }: Names): Graph {
  const metrics = Object.values(SCHEDULE_LOG_METRICS).map(
    ({ name }): Metric => [namespace, name, { stat: "Maximum" }],
  );
  return { title: "Certificates in use, and the schedule", metrics };
}

function widgetOf({ title, metrics }: Graph, index: number, region: string) {
  return {
    type: "metric",
    x: (index % COLUMNS) * WIDTH,
    y: ALARMS_HEIGHT + Math.floor(index / COLUMNS) * HEIGHT,
    width: WIDTH,
    height: HEIGHT,
    properties: { title, metrics, region, view: "timeSeries", period: 60 },
  };
}
