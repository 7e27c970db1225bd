import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";

/** One measured number beside its goal. */
export interface Finding {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** `at-most 200`; null = no goal, for information. */
  readonly goal: { readonly kind: "at-most" | "at-least"; readonly value: number } | null;
}

/** One row of the comparison: a number of each server, lower is better. */
export interface MeasuredRow {
  readonly title: string;
  readonly unit: string;
  /** By server, the median of its rounds. */
  readonly medians: ReadonlyMap<string, number>;
  /** Our number over the server's, as the median of the ratios of each round. */
  readonly ratios: ReadonlyMap<string, number>;
  /** Most that our ratio to a server may be. */
  readonly goals: Readonly<Record<string, number>>;
  readonly findings: readonly Finding[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function machineText(commit: string): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = `${processors.length} x ${processors[0]?.model ?? "?"}, ${memory} GB`;
  return `Machine: ${machine}. Node ${process.version}. Commit: ${commit}.`;
}

/** A Markdown table: our number, then each other server with our ratio to it. */
export function rowsText(rows: readonly MeasuredRow[]): string {
  if (rows.length === 0) return "";
  const others = [...new Set(rows.flatMap((row) => [...row.ratios.keys()]))];
  const head = ["row", "unit", "postern", ...others.flatMap((name) => [name, "ratio", "goal"])];
  const lines = rows.map((row) => [
    row.title,
    row.unit,
    numberText(row.medians.get("postern")),
    ...others.flatMap((name) => [
      numberText(row.medians.get(name)),
      numberText(row.ratios.get(name)),
      row.goals[name] === undefined ? "" : `≤ ${row.goals[name].toFixed(2)}${verdict(row, name)}`,
    ]),
  ]);
  const table = [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`);
  const findings = rows.flatMap((row) => row.findings.map(findingText));
  return [...table, ...(findings.length === 0 ? [] : ["", ...findings])].join("\n");
}

function verdict({ ratios, goals }: MeasuredRow, name: string): string {
  const ratio = ratios.get(name);
  if (ratio === undefined) return "";
  return ratio <= (goals[name] ?? Number.POSITIVE_INFINITY) ? "" : " **missed**";
}

export function findingText({ what, value, unit, goal }: Finding): string {
  const number = `- ${what}: ${numberText(value)} ${unit}`.trimEnd();
  if (goal === null) return number;
  const isMet = goal.kind === "at-most" ? value <= goal.value : value >= goal.value;
  return `${number} (goal: ${goal.kind === "at-most" ? "≤" : "≥"} ${goal.value})${isMet ? "" : " **missed**"}`;
}

function numberText(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Keeps a page in bench/results, under the date of today. */
export function savePage(name: string, page: string): void {
  const directory = join(import.meta.dirname, "results");
  mkdirSync(directory, { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(join(directory, `${date}-${name}.md`), `# ${name}, ${date}\n\n${page}\n`);
}
