/** Metrics as lines in CloudWatch's embedded metric format. */

import type {
  CloudWatchRow,
  MetricRegistry,
  MetricRow,
  MetricTable,
  SeriesValue,
} from "./metric-registry.ts";

/** The one dimension, so that the same names in another program are other metrics. */
export const CLOUDWATCH_DIMENSION = { name: "Service", value: "edge" } as const;
/** Of one directive of a line (CloudWatch's specification of the embedded metric format). */
const MAX_METRICS = 100;
const OTHER = "other";

export interface CloudWatchOptions<Table extends MetricTable> {
  readonly table: Table;
  readonly namespace: string;
  /** Searchable in the log, and no dimension: each task that ends would leave a metric behind. */
  readonly edgeId: string;
}

type Unit = "Count" | "Seconds" | "Bytes";

interface Metric {
  readonly name: string;
  readonly unit: Unit;
  readonly value: number;
}

/**
 * Lines of CloudWatch's embedded metric format: counters as what was added since the last call, gauges as
 * they are. A metric of a whole row is always there, so that an alarm on it never waits; one of a label's
 * value only when it counted, since CloudWatch bills each metric for the hours in which it has a value.
 *
 * @returns a function of the counts and the time in epoch milliseconds: one line for each 100 metrics,
 *   without line ends.
 */
export function createCloudWatchMetrics<Table extends MetricTable>(
  options: CloudWatchOptions<Table>,
): (registry: Pick<MetricRegistry<Table>, "read">, nowMs: number) => readonly string[] {
  const { table, namespace, edgeId } = options;
  const before = new Map<string, number>();

  function changesOf(row: MetricRow, series: readonly SeriesValue[]): readonly Metric[] {
    return (row.cloudWatch ?? []).flatMap((wanted) =>
      valuesOf(row, wanted, series).flatMap(({ name, value }) => {
        const last = before.get(name) ?? 0;
        before.set(name, value);
        const change =
          row.kind === "counter" ? value - last : wanted.rise ? Math.max(0, value - last) : value;
        return wanted.by !== undefined && change === 0 ? [] : [{ name, unit: unitOf(row), value: change }];
      }),
    );
  }

  return (registry, nowMs) => {
    const metrics = Object.entries(table).flatMap(([key, row]) => changesOf(row, registry.read(key)));
    const lines: string[] = [];
    for (let from = 0; from < metrics.length; from += MAX_METRICS)
      lines.push(lineOf(metrics.slice(from, from + MAX_METRICS), { namespace, edgeId, nowMs }));
    return lines;
  };
}

/** Every metric that a row of the table can make, by the names that lines carry. */
export function cloudWatchNames({ name, by }: CloudWatchRow): readonly string[] {
  if (by === undefined) return [name];
  return [...new Set([...by.values, OTHER])].map((value) => `${name}_${value}`);
}

function valuesOf(
  row: MetricRow,
  { name, where = {}, by }: CloudWatchRow,
  all: readonly SeriesValue[],
): readonly Pick<Metric, "name" | "value">[] {
  const series = all.filter(({ labels }) =>
    Object.entries(where).every(([label, value]) => labels[label] === value),
  );
  // A gauge without a series has no value; a counter without one is 0.
  if (by === undefined) {
    if (row.kind === "gauge" && series.length === 0) return [];
    return [{ name, value: sumOf(series) }];
  }
  const sums = new Map<string, number>();
  for (const { labels, value } of series) {
    const label = labels[by.label] ?? "";
    // Empty = it does not apply, as the reason of a recipient that was accepted.
    if (label === "") continue;
    const known = by.values.includes(label) ? label : OTHER;
    sums.set(known, (sums.get(known) ?? 0) + value);
  }
  return [...sums].map(([label, value]) => ({ name: `${name}_${label}`, value }));
}

const sumOf = (series: readonly SeriesValue[]): number => series.reduce((sum, { value }) => sum + value, 0);

function unitOf({ name }: MetricRow): Unit {
  if (name.endsWith("_seconds")) return "Seconds";
  return /_bytes(?:_|$)/.test(name) ? "Bytes" : "Count";
}

function lineOf(
  metrics: readonly Metric[],
  {
    namespace,
    edgeId,
    nowMs,
  }: { readonly namespace: string; readonly edgeId: string; readonly nowMs: number },
): string {
  const { name: dimension, value } = CLOUDWATCH_DIMENSION;
  return JSON.stringify({
    event: "metrics",
    edge: edgeId,
    _aws: {
      Timestamp: Math.round(nowMs),
      CloudWatchMetrics: [
        {
          Namespace: namespace,
          Dimensions: [[dimension]],
          Metrics: metrics.map(({ name, unit }) => ({ Name: name, Unit: unit })),
        },
      ],
    },
    [dimension]: value,
    ...Object.fromEntries(metrics.map(({ name, value: measured }) => [name, measured])),
  });
}
