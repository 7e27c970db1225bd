import type { Plan } from "./plan.ts";
import type { Step } from "./step.ts";
import type { Stored } from "./stored.ts";

/** Steps of a plan whose record is not at the revision that it was made at, each with what it is at now. */
export function driftOf(plan: Plan, stored: Stored): readonly string[] {
  return plan.steps.flatMap((step) => {
    const now = revisionNow(step, stored);
    if (now === step.revision) return [];
    const text =
      now === null ? "is deleted" : step.revision === null ? "exists by now" : `is at revision ${now}`;
    const planned = step.revision === null ? "" : `, planned at ${step.revision}`;
    return [`${step.kind} ${step.name} ${text}${planned}`];
  });
}

function revisionNow({ kind, name, id }: Step, stored: Stored): number | null {
  if (kind === "domain") return stored.domains.get(name)?.revision ?? null;
  const records: readonly {
    readonly id: string;
    readonly label: string | null;
    readonly revision: number;
  }[] = kind === "certificate" ? stored.certificates : stored.trustStores;
  return records.find((each) => (id === null ? each.label === name : each.id === id))?.revision ?? null;
}
