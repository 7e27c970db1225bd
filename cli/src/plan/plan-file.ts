import { createHash } from "node:crypto";
import { Ajv2020 } from "ajv/dist/2020.js";
import { CommandError } from "../frame/command-error.ts";
import type { Plan } from "./plan.ts";
import type { Kind, Step } from "./step.ts";

/** What `plan --out` writes: the writes of a plan, and the revisions that it was made at. */

const FORMAT = 1;

const TEXT = { type: "string" };
const TEXT_OR_NULL = { type: ["string", "null"] };
const NULL = { type: "null" };
const TEXTS_BY_NAME = { type: "object", additionalProperties: TEXT };

/** An object with these members and no others; `optional` may be absent. */
const closed = (members: Readonly<Record<string, unknown>>, optional: readonly string[] = []) => ({
  type: "object",
  properties: members,
  required: Object.keys(members).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});

const WRITES: Readonly<Record<Kind, unknown>> = {
  "trust-store": closed({
    label: TEXT,
    labels: TEXTS_BY_NAME,
    certificatesPem: TEXT,
    crlPem: TEXT_OR_NULL,
  }),
  certificate: closed({
    order: { type: ["object", "null"] },
    certificatePem: TEXT_OR_NULL,
    privateKeyFile: TEXT_OR_NULL,
    labels: { type: ["object", "null"], additionalProperties: TEXT },
    renewalKey: { enum: ["keep", "new", null] },
  }),
  domain: closed({ put: { type: "object" }, movesHosts: { type: "boolean" } }),
};

const KINDS = Object.keys(WRITES) as Kind[];

/** Members of a step by its kind and action: no deletion has a write, and every other has. */
function stepSchema(kind: Kind, action: Step["action"]): object {
  const isNew = action === "create";
  return closed({
    kind: { const: kind },
    action: { const: action },
    name: { type: "string", minLength: 1 },
    id: isNew || kind === "domain" ? NULL : TEXT,
    revision: isNew ? NULL : { type: "integer", minimum: 0 },
    changes: {
      type: "array",
      items: closed({ field: TEXT, before: {}, after: {} }, ["before", "after"]),
      ...(action === "delete" ? { maxItems: 0 } : {}),
    },
    refuses: { type: "array", items: TEXT },
    write: action === "delete" ? NULL : WRITES[kind],
  });
}

const ACTIONS = ["create", "update", "delete"] as const satisfies readonly Step["action"][];

const byMember = (name: string, values: readonly string[], of: (value: string) => object) => ({
  required: [name],
  discriminator: { propertyName: name },
  oneOf: values.map((value) => ({ properties: { [name]: { const: value } }, ...of(value) })),
});

const SCHEMA = closed({
  posternPlan: { const: FORMAT },
  sha256: TEXT,
  steps: {
    type: "array",
    items: {
      type: "object",
      ...byMember("kind", KINDS, (kind) =>
        byMember("action", ACTIONS, (action) => stepSchema(kind as Kind, action as Step["action"])),
      ),
    },
  },
  unchanged: { type: "integer", minimum: 0 },
  kept: { type: "array", items: closed({ kind: { enum: KINDS }, name: TEXT }) },
  ids: TEXTS_BY_NAME,
});

/** With a digest: a plan is applied as it was shown, and not as it was changed later. */
export function planFileText(plan: Plan): string {
  const { steps, unchanged, kept, ids } = plan;
  const document = { steps, unchanged, kept, ids };
  return `${JSON.stringify({ posternPlan: FORMAT, sha256: digestOf(document), ...document })}\n`;
}

const digestOf = (document: unknown): string =>
  createHash("sha256").update(JSON.stringify(document)).digest("hex");

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
  const validate = new Ajv2020({ strict: false, discriminator: true }).compile<PlanDocument>(SCHEMA);
  if (!validate(document)) {
    const { instancePath, message } = validate.errors?.[0] ?? {};
    throw bad(`${instancePath ?? ""} ${message ?? ""}`.trim());
  }
  const { posternPlan: _format, sha256, ...plan } = document;
  if (sha256 !== digestOf(plan)) throw bad("it was changed after it was written");
  return plan;
}

type PlanDocument = Plan & { readonly posternPlan: number; readonly sha256: string };
