import { describe, expect, it } from "vitest";
import { embeddedMetrics } from "../../test/support/cloudwatch.ts";
import { cloudWatchNames, createCloudWatchMetrics } from "./cloudwatch-metrics.ts";
import { createMetricRegistry, type MetricTable } from "./metric-registry.ts";
import { METRICS } from "./metric-table.ts";
import { createMetrics } from "./metrics.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");

const TABLE = {
  hits: {
    name: "hits_total",
    kind: "counter",
    labels: ["who", "why"],
    help: "Hits.",
    cloudWatch: [
      { name: "Hits" },
      { name: "Hits", by: { label: "why", values: ["dark", "light"] } },
      { name: "HitsOfA", where: { who: "a" } },
    ],
  },
  level: {
    name: "level_bytes",
    kind: "gauge",
    labels: [],
    help: "A level.",
    cloudWatch: [{ name: "Level" }, { name: "LevelRose", rise: true }],
  },
  local: { name: "local_total", kind: "counter", labels: [], help: "For /metrics alone." },
} as const satisfies MetricTable;

function start<Table extends MetricTable>(table: Table) {
  const registry = createMetricRegistry(table);
  const linesAt = createCloudWatchMetrics({ table, namespace: "Postern/test", edgeId: "edge_1" });
  const values = (): Record<string, number> =>
    Object.fromEntries(
      linesAt(registry, NOW).flatMap((line) =>
        embeddedMetrics(line, NOW).map(({ name, value }) => [name, value]),
      ),
    );
  return { registry, linesAt, values };
}

describe("metrics for CloudWatch", () => {
  it("are what a counter rose by since the last line, 0 when nothing came", () => {
    const { registry, values } = start(TABLE);
    registry.add("hits", { who: "a", why: "" }, 3);
    registry.add("hits", { who: "b", why: "" }, 4);
    expect(values()).toEqual({ Hits: 7, HitsOfA: 3 });
    registry.add("hits", { who: "b", why: "" });
    expect(values()).toEqual({ Hits: 1, HitsOfA: 0 });
    expect(values()).toEqual({ Hits: 0, HitsOfA: 0 });
  });

  it("have one for each value of a label that counted, and none for those that did not", () => {
    const { registry, values } = start(TABLE);
    registry.add("hits", { who: "a", why: "dark" });
    expect(values()).toEqual({ Hits: 1, Hits_dark: 1, HitsOfA: 1 });
    registry.add("hits", { who: "b", why: "light" });
    expect(values()).toEqual({ Hits: 1, Hits_light: 1, HitsOfA: 0 });
  });

  it("count a value outside the closed list as other, so that no client makes metrics", () => {
    const { registry, values } = start(TABLE);
    for (let index = 0; index < 50; index += 1) registry.add("hits", { who: "b", why: `invented ${index}` });
    expect(values()).toEqual({ Hits: 50, Hits_other: 50, HitsOfA: 0 });
  });

  it("have a gauge as it is, what it rose by, and nothing while it has no value", () => {
    const { registry, values } = start(TABLE);
    expect(values()).not.toHaveProperty("Level");
    const seen = [2, 5, 5, 1, 2].map((level) => {
      registry.set("level", {}, level);
      const { Level, LevelRose } = values();
      return [Level, LevelRose];
    });
    expect(seen).toEqual([
      [2, 2],
      [5, 3],
      [5, 0],
      [1, 0],
      [2, 1],
    ]);
  });

  it("go into lines of at most 100, each with time, namespace, dimension and edge", () => {
    const rows = Object.fromEntries(
      Array.from({ length: 230 }, (_, index) => [
        `m${index}`,
        {
          name: `m${index}_total`,
          kind: "counter",
          labels: [],
          help: "",
          cloudWatch: [{ name: `M${index}` }],
        },
      ]),
    ) satisfies MetricTable;
    const { linesAt, registry } = start(rows as MetricTable);
    const lines = linesAt(registry, NOW + 0.4);
    const data = lines.map((line) => embeddedMetrics(line, NOW));
    expect(data.map(({ length }) => length)).toEqual([100, 100, 30]);
    expect(data[0]?.[0]).toEqual({
      namespace: "Postern/test",
      name: "M0",
      dimensions: { Service: "edge" },
      atMs: NOW,
      value: 0,
    });
    expect(JSON.parse(lines[2] ?? "")).toMatchObject({ event: "metrics", edge: "edge_1" });
  });
});

describe("the worker's table for CloudWatch", () => {
  const rows = Object.values(METRICS).flatMap((row) =>
    ("cloudWatch" in row ? row.cloudWatch : []).map((wanted) => ({ row, wanted })),
  );

  it("names each metric once, whatever makes it", () => {
    const names = rows.flatMap(({ wanted }) => cloudWatchNames(wanted));
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
    for (const name of names) expect(name).toMatch(/^[A-Z][A-Za-z]+(?:_[a-zA-Z0-9-]+)?$/);
  });

  it("asks only for labels that the row has, of counters and gauges", () => {
    for (const { row, wanted } of rows) {
      const labels: readonly string[] = row.labels;
      const asked = [
        ...("by" in wanted ? [wanted.by.label] : []),
        ...("where" in wanted ? Object.keys(wanted.where) : []),
      ];
      for (const label of asked) expect(labels, row.name).toContain(label);
      expect(row.kind, row.name).toBe("rise" in wanted ? "gauge" : row.kind);
      expect(["counter", "gauge"]).toContain(row.kind);
    }
  });

  it("is one line while nothing happens, which CloudWatch takes", () => {
    const linesAt = createCloudWatchMetrics({
      table: METRICS,
      namespace: "Postern/test",
      edgeId: "edge_1",
    });
    const lines = linesAt(createMetrics(), NOW);
    expect(lines).toHaveLength(1);
    expect(embeddedMetrics(lines[0] ?? "", NOW).map(({ name }) => name)).toContain("ConnectionsRefused");
  });
});
