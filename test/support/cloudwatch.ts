/** One value that CloudWatch takes out of a line of a log. */
export interface Datum {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly atMs: number;
  readonly value: number;
}

const MAX_METRICS = 100;
const MAX_DIMENSIONS = 30;
const UNITS = ["Count", "Seconds", "Bytes", "Megabytes", "None"];
/** Older, or further ahead, and CloudWatch takes no value from a line: 14 days, 2 hours. */
const PAST_MS = 14 * 24 * 3_600_000;
const FUTURE_MS = 2 * 3_600_000;

interface Directive {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit?: string }[];
}

/**
 * The values of a line in the embedded metric format, as its specification reads: a line without `_aws` has
 * none.
 *
 * @throws Error where CloudWatch would drop the line, and say so nowhere.
 */
export function embeddedMetrics(line: string, receivedAtMs: number): readonly Datum[] {
  const root = JSON.parse(line) as Readonly<Record<string, unknown>>;
  const metadata = root["_aws"] as
    | { Timestamp: unknown; CloudWatchMetrics: readonly Directive[] }
    | undefined;
  if (metadata === undefined) return [];
  const { Timestamp: atMs, CloudWatchMetrics: directives } = metadata;
  check(typeof atMs === "number" && Number.isSafeInteger(atMs), `Timestamp ${String(atMs)}`);
  const age = receivedAtMs - Number(atMs);
  check(age < PAST_MS && age > -FUTURE_MS, `Timestamp ${String(atMs)} is ${age} ms old`);
  check(Buffer.byteLength(line) <= 256 * 1024, "the line is over 256 KB");
  return directives.flatMap((directive) => valuesOf(directive, root, Number(atMs)));
}

function valuesOf(
  { Namespace, Dimensions, Metrics }: Directive,
  root: Readonly<Record<string, unknown>>,
  atMs: number,
): readonly Datum[] {
  check(/^[A-Za-z0-9.\-_/#:]{1,255}$/.test(Namespace) && !Namespace.startsWith("AWS/"), Namespace);
  check(Metrics.length >= 1 && Metrics.length <= MAX_METRICS, `${Metrics.length} metrics`);
  check(new Set(Metrics.map(({ Name }) => Name)).size === Metrics.length, "a name comes twice");
  check(Dimensions.length >= 1, "no set of dimensions");
  return Dimensions.flatMap((set) => {
    check(set.length >= 1 && set.length <= MAX_DIMENSIONS, `${set.length} dimensions`);
    const dimensions = Object.fromEntries(set.map((name) => [name, textOf(root, name)]));
    return Metrics.map(({ Name, Unit = "None" }) => {
      check(UNITS.includes(Unit), `unit ${Unit}`);
      check(/^[\x21-\x7e]{1,255}$/.test(Name), `name ${Name}`);
      const value = root[Name];
      check(typeof value === "number" && Number.isFinite(value), `${Name} is ${String(value)}`);
      return { namespace: Namespace, name: Name, dimensions, atMs, value: Number(value) };
    });
  });
}

function textOf(root: Readonly<Record<string, unknown>>, name: string): string {
  const value = root[name];
  check(typeof value === "string" && value.length >= 1 && value.length <= 1024, `dimension ${name}`);
  return String(value);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`CloudWatch takes no metric from this line: ${what}`);
}

/** A metric filter of a log group, by the inputs of its resource. */
export interface LogFilter {
  readonly pattern: string;
  readonly namespace: string;
  readonly name: string;
  /** A number, or `$.field`. */
  readonly value: string;
}

/** What a filter `{ $.event = "…" }` makes of a line. */
export function filteredMetrics(line: string, filter: LogFilter, atMs: number): readonly Datum[] {
  const event = /^\{ \$\.event = "(?<event>[^"]+)" \}$/u.exec(filter.pattern)?.groups?.["event"];
  const fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  if (event === undefined || fields["event"] !== event) return [];
  const { namespace, name, value: given } = filter;
  const value = given.startsWith("$.") ? fields[given.slice(2)] : Number(given);
  return typeof value === "number" ? [{ namespace, name, dimensions: {}, atMs, value }] : [];
}

/** The inputs of a metric alarm. */
export interface Alarm {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  readonly statistic: "Sum" | "Maximum" | "Minimum" | "Average" | "SampleCount";
  /** Seconds. */
  readonly period: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm?: number;
  readonly comparisonOperator: keyof typeof COMPARE;
  readonly threshold: number;
  readonly treatMissingData: "breaching" | "notBreaching";
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const STATISTIC = {
  Sum: sum,
  Maximum: (values: readonly number[]) => Math.max(...values),
  Minimum: (values: readonly number[]) => Math.min(...values),
  Average: (values: readonly number[]) => sum(values) / values.length,
  SampleCount: (values: readonly number[]) => values.length,
} as const;

const COMPARE = {
  GreaterThanThreshold: (value: number, threshold: number) => value > threshold,
  GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value >= threshold,
  LessThanThreshold: (value: number, threshold: number) => value < threshold,
} as const;

const textOfDimensions = (dimensions: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(dimensions).toSorted(([a], [b]) => a.localeCompare(b)));

/** Whether two sets of dimensions name the same metric: one more or one less is another. */
const isMetricOf = (alarm: Alarm, { namespace, name, dimensions }: Datum): boolean =>
  alarm.namespace === namespace &&
  alarm.metricName === name &&
  textOfDimensions(alarm.dimensions ?? {}) === textOfDimensions(dimensions);

/** Whether an alarm rings at the end of a period, by the periods that it looks at. */
export function rings(alarm: Alarm, data: readonly Datum[], endMs: number): boolean {
  const { period, evaluationPeriods, datapointsToAlarm = evaluationPeriods, threshold } = alarm;
  const own = data.filter((datum) => isMetricOf(alarm, datum));
  const periodMs = period * 1000;
  const end = Math.floor(endMs / periodMs) * periodMs;
  const breaching = Array.from({ length: evaluationPeriods }, (_, back) => {
    const from = end - (back + 1) * periodMs;
    const values = own.filter(({ atMs }) => atMs >= from && atMs < from + periodMs).map(({ value }) => value);
    if (values.length === 0) return alarm.treatMissingData === "breaching";
    return COMPARE[alarm.comparisonOperator](STATISTIC[alarm.statistic](values), threshold);
  });
  return breaching.filter(Boolean).length >= datapointsToAlarm;
}
