import { Ajv2020 } from "ajv/dist/2020.js";
import { CommandError } from "../frame/command-error.ts";
import type { Plan } from "./plan.ts";
import type { Kind, Step } from "./step.ts";

/** What `plan --out` writes: the writes of a plan, and the revisions that it was made at. */

const FORMAT = 1;

const STEP = {
  type: "object",
  properties: {
    kind: { enum: ["trust-store", "certificate", "domain"] satisfies Kind[] },
    action: { enum: ["create", "update", "delete"] satisfies Step["action"][] },
    name: { type: "string" },
    id: { type: ["string", "null"] },
    revision: { type: ["integer", "null"] },
    changes: { type: "array" },
    refuses: { type: "array", items: { type: "string" } },
    write: { type: ["object", "null"] },
  },
  required: ["kind", "action", "name", "id", "revision", "changes", "refuses", "write"],
  additionalProperties: false,
};

const SCHEMA = {
  type: "object",
  properties: {
    posternPlan: { const: FORMAT },
    steps: { type: "array", items: STEP },
    unchanged: { type: "integer" },
    kept: { type: "array" },
    ids: { type: "object", additionalProperties: { type: "string" } },
  },
  required: ["posternPlan", "steps", "unchanged", "kept", "ids"],
  additionalProperties: false,
};

export const planFileText = (plan: Plan): string => `${JSON.stringify({ posternPlan: FORMAT, ...plan })}\n`;

/** The plan of a file that `plan --out` wrote; null = the text is no such file. @throws CommandError */
export function readPlanFile(text: string, path: string): Plan | null {
  if (!text.startsWith('{"posternPlan":')) return null;
  const bad = (why: string): CommandError =>
    new CommandError(`${path} is not a plan of this release: ${why}`, {
      hint: "Write it again: `postern plan --out`.",
    });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw bad((error as Error).message);
  }
  const validate = new Ajv2020({ strict: false }).compile<Plan & { readonly posternPlan: number }>(SCHEMA);
  if (!validate(document)) {
    const { instancePath, message } = validate.errors?.[0] ?? {};
    throw bad(`${instancePath ?? ""} ${message ?? ""}`.trim());
  }
  const { posternPlan: _format, ...plan } = document;
  return plan;
}
