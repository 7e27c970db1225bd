/** One metric as a table of names lists it. */
export interface MetricRow {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  /**
   * Every value of a label comes from a closed list or from the configuration; see `MAX_SERIES` for what does
   * not.
   */
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram, rising; `+Inf` is added. */
  readonly buckets?: readonly number[];
  /** What CloudWatch gets of it (worker/telemetry/cloudwatch-metrics.ts); absent = /metrics alone has it. */
  readonly cloudWatch?: readonly CloudWatchRow[];
}

/** One metric of CloudWatch: the sum over the series of a counter or a gauge. */
export interface CloudWatchRow {
  /** Unique in the table. */
  readonly name: string;
  /** Only series with these label values. */
  readonly where?: Readonly<Record<string, string>>;
  /**
   * A metric `name_value` for each value of this label instead of one for all. What is not in the list is
   * `other`.
   */
  readonly by?: { readonly label: string; readonly values: readonly string[] };
  /**
   * By how much a gauge rose since the last time: a lasting fault would keep an alarm on the gauge itself
   * ringing, and hide every fault that comes later.
   */
  readonly rise?: true;
}

export type MetricTable = Readonly<Record<string, MetricRow>>;
export type LabelsOf<Row extends MetricRow> = Readonly<Record<Row["labels"][number], string>>;

/**
 * Counts for one Prometheus page. Our own, since the whole need is three kinds and one text format: a hundred
 * lines without a dependency, and an increment is one Map lookup (prom-client hashes an object of labels each
 * time).
 */
export interface MetricRegistry<Table extends MetricTable> {
  /** Adds to a counter. */
  add<K extends keyof Table>(key: K, labels: LabelsOf<Table[K]>, by?: number): void;
  /** Sets a gauge; null takes the series away. */
  set<K extends keyof Table>(key: K, labels: LabelsOf<Table[K]>, value: number | null): void;
  /** Notes one value of a histogram. */
  observe<K extends keyof Table>(key: K, labels: LabelsOf<Table[K]>, value: number): void;
  /** The series of a counter or a gauge, at this moment. */
  read(key: keyof Table): readonly SeriesValue[];
  /** The page, text format 0.0.4. */
  render(): string;
}

/**
 * Series of one metric. A label can follow the settings (the MX host of a failed handshake) or a next hop's
 * reply codes; past this number everything new is counted under `other`, so that no client can fill memory or
 * the monitoring system.
 */
export const MAX_SERIES = 500;

export interface SeriesValue {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

interface Series<Value> {
  readonly labels: readonly string[];
  value: Value;
}

interface Metric {
  readonly row: MetricRow;
  readonly numbers: Map<string, Series<number>>;
  readonly histograms: Map<string, Series<Histogram>>;
}

export function createMetricRegistry<Table extends MetricTable>(table: Table): MetricRegistry<Table> {
  const metrics = new Map<keyof Table, Metric>();
  for (const [key, row] of Object.entries(table)) {
    metrics.set(key, { row, numbers: new Map(), histograms: new Map() });
  }
  const metricOf = (key: keyof Table): Metric => {
    const metric = metrics.get(key);
    if (metric === undefined) throw new TypeError(`no metric ${String(key)}`);
    return metric;
  };
  // A counter without labels is 0 from the start, so that a rate can be taken of its first event.
  for (const { row, numbers } of metrics.values()) {
    if (row.kind === "counter" && row.labels.length === 0) seriesOf(numbers, [], zero);
  }
  return {
    add(key, labels, by = 1) {
      const { row, numbers } = metricOf(key);
      const known = numbers.get(keyFor(row, labels));
      if (known !== undefined) known.value += by;
      else seriesOf(numbers, valuesOf(row, labels), zero).value += by;
    },
    set(key, labels, value) {
      const { row, numbers } = metricOf(key);
      if (value === null) numbers.delete(keyOf(valuesOf(row, labels)));
      else seriesOf(numbers, valuesOf(row, labels), zero).value = value;
    },
    observe(key, labels, value) {
      const { row, histograms } = metricOf(key);
      const bounds = row.buckets ?? [];
      const empty = (): Histogram => ({ counts: bounds.map(() => 0), sum: 0, count: 0 });
      const histogram = seriesOf(histograms, valuesOf(row, labels), empty).value;
      const bucket = bounds.findIndex((bound) => value <= bound);
      if (bucket !== -1) histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
      histogram.sum += value;
      histogram.count += 1;
    },
    read(key) {
      const { row, numbers } = metricOf(key);
      return [...numbers.values()].map(({ labels, value }) => ({
        labels: Object.fromEntries(row.labels.map((label, index) => [label, labels[index] ?? ""])),
        value,
      }));
    },
    render: () => `${[...metrics.values()].flatMap(renderMetric).join("\n")}\n`,
  };
}

const keyOf = (values: readonly string[]): string => values.map((value) => `${value}\u0000`).join("");

/** The same without an array: every event of every session comes here. */
function keyFor({ labels: names }: MetricRow, labels: Readonly<Record<string, string>>): string {
  let key = "";
  for (const name of names) key += `${labels[name] ?? ""}\u0000`;
  return key;
}

const zero = (): number => 0;

const valuesOf = (row: MetricRow, labels: Readonly<Record<string, string>>): readonly string[] =>
  row.labels.map((label) => labels[label] ?? "");

/** The series of these label values; past the cap, the one called `other`. */
function seriesOf<Value>(
  known: Map<string, Series<Value>>,
  values: readonly string[],
  start: () => Value,
): Series<Value> {
  const found = known.get(keyOf(values));
  if (found !== undefined) return found;
  const labels = known.size < MAX_SERIES ? values : values.map(() => "other");
  const series = known.get(keyOf(labels)) ?? { labels, value: start() };
  known.set(keyOf(labels), series);
  return series;
}

function renderMetric({ row, numbers, histograms }: Metric): string[] {
  const lines = [...numbers.values()].map(
    ({ labels, value }) => `${row.name}${labelText(row.labels, labels)} ${numberText(value)}`,
  );
  for (const series of histograms.values()) lines.push(...renderHistogram(row, series));
  if (lines.length === 0) return [];
  return [
    `# HELP ${row.name} ${row.help.replaceAll("\\", "\\\\")}`,
    `# TYPE ${row.name} ${row.kind}`,
    ...lines,
  ];
}

function renderHistogram(row: MetricRow, { labels, value }: Series<Histogram>): string[] {
  const names = [...row.labels, "le"];
  let below = 0;
  const buckets = (row.buckets ?? []).map((bound, index) => {
    below += value.counts[index] ?? 0;
    return `${row.name}_bucket${labelText(names, [...labels, String(bound)])} ${below}`;
  });
  const own = labelText(row.labels, labels);
  return [
    ...buckets,
    `${row.name}_bucket${labelText(names, [...labels, "+Inf"])} ${value.count}`,
    `${row.name}_sum${own} ${numberText(value.sum)}`,
    `${row.name}_count${own} ${value.count}`,
  ];
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  return `{${names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",")}}`;
}

const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : "NaN");
