import { CLOUDWATCH_DIMENSION } from "../worker/telemetry/cloudwatch-metrics.ts";
import type { METRICS } from "../worker/telemetry/metric-table.ts";

type Row = Extract<
  (typeof METRICS)[keyof typeof METRICS],
  { readonly cloudWatch: readonly unknown[] }
>["cloudWatch"][number];
type ByLabel = Extract<Row, { readonly by: unknown }>;

/** Names of the metrics that edges publish: an alarm on another one does not compile. */
export type EdgeMetric =
  | Exclude<Row, ByLabel>["name"]
  | { [Each in ByLabel as Each["name"]]: `${Each["name"]}_${Each["by"]["values"][number]}` }[ByLabel["name"]];

/** A metric of the edges, in the gate's namespace. */
export const edgeMetric = (metricName: EdgeMetric) => ({
  metricName,
  dimensions: { [CLOUDWATCH_DIMENSION.name]: CLOUDWATCH_DIMENSION.value },
});
