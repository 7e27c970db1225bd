import { type Sweep, SWEEPS } from "../../core/schedule.ts";

/** What the function was called for. */
export type ScheduleTask =
  | { readonly kind: "sweep"; readonly sweep: Sweep }
  /**
   * By hand, in the region that is to write from now on: `{ "takeOver": "eu-west-1" }`, that region's name.
   */
  | { readonly kind: "take-over"; readonly region: string }
  /** EventBridge's "ACM Certificate Available": ACM has issued or renewed these. */
  | { readonly kind: "available"; readonly arns: readonly string[] };

const ACM_ARN = /^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]+$/;

/** @throws TypeError for an event that no rule of the stage sends. */
export function readScheduleEvent(event: unknown): ScheduleTask {
  const { sweep, takeOver, source, resources, "detail-type": type } = fieldsOf(event);
  if (typeof takeOver === "string") return { kind: "take-over", region: takeOver };
  const known = SWEEPS.find((each) => each === sweep);
  if (known !== undefined) return { kind: "sweep", sweep: known };
  if (source !== "aws.acm" || type !== "ACM Certificate Available" || !Array.isArray(resources))
    throw new TypeError(`neither a sweep (${SWEEPS.join(", ")}) nor an event of ACM`);
  const named = resources.map(String);
  return { kind: "available", arns: named.filter((arn) => ACM_ARN.test(arn)) };
}

const fieldsOf = (event: unknown): Readonly<Record<string, unknown>> =>
  typeof event === "object" && event !== null ? { ...event } : {};
