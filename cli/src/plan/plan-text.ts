import { type Output, painted } from "../frame/output.ts";
import type { FieldChange } from "./differences.ts";
import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";

const SIGNS = { create: "+", update: "~", delete: "-" } as const;
const STYLES = { create: "good", update: "warn", delete: "bad" } as const;

/** `+ domain example.com`, as plan and apply begin the line of a step. */
export const stepPiece = ({ action, kind, name }: Step) =>
  painted(STYLES[action], `${SIGNS[action]} ${kind} ${name}`);

/** Writes each step with its fields, what `notices` writes, and a summary. */
export function printPlan(plan: Plan, output: Output, notices: () => void): void {
  const names = new Map(Object.entries(plan.ids).map(([key, id]) => [id, key.slice(key.indexOf(":") + 1)]));
  for (const step of plan.steps) {
    const { action, kind, name, changes, refuses } = step;
    output.json({ action, kind, name, changes: changes.map(withNulls), refuses });
    output.line(stepPiece(step));
    for (const change of changes) output.line(`    ${changeText(change, names)}`);
    for (const senders of refuses) output.line("    ", painted("warn", `refuses: ${senders}`));
  }
  notices();
  const counts = countsOf(plan.steps);
  output.json({ summary: { ...counts, unchanged: plan.unchanged }, kept: plan.kept });
  output.line(`Plan: ${countsText(counts)}, ${plan.unchanged} unchanged.`);
  if (plan.kept.length > 0)
    output.line(`${plan.kept.length} records carry the file's name and are not in it: --prune deletes them.`);
  if (plan.steps.some(({ refuses }) => refuses.length > 0))
    output.line(
      "Whether such senders exist is not known: the API keeps no sessions. Try enforcement: observe first.",
    );
}

/** JSON has no undefined. */
const withNulls = ({ field, before, after }: FieldChange) => ({
  field,
  before: before ?? null,
  after: after ?? null,
});

function changeText({ field, before, after }: FieldChange, names: ReadonlyMap<string, string>): string {
  const text = (value: unknown): string => shown(value, names);
  if (before === undefined) return `${field}: ${text(after)}`;
  return after === undefined
    ? `${field}: ${text(before)} removed`
    : `${field}: ${text(before)} → ${text(after)}`;
}

/** JSON, with the labels of records in place of their ids. */
const shown = (value: unknown, names: ReadonlyMap<string, string>): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "string" ? (names.get(part) ?? part) : part));

type Counts = Readonly<Record<Step["action"], number>>;

function countsOf(steps: readonly Step[]): Counts {
  const counts = { create: 0, update: 0, delete: 0 };
  for (const { action } of steps) counts[action] += 1;
  return counts;
}

const countsText = (counts: Counts): string =>
  `${counts.create} to create, ${counts.update} to change, ${counts.delete} to delete`;
