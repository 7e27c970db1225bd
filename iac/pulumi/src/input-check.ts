import { type Schema, Validator } from "@cfworker/json-schema";
import document from "../../../openapi.json" with { type: "json" };
import { isValues, UNKNOWN } from "./values.ts";

/** Mistake in the inputs of a resource, as Pulumi shows it. */
export interface InputFailure {
  /** Such as `tls.server.level`. */
  readonly property: string;
  readonly reason: string;
}

type SchemaName = keyof typeof document.components.schemas;

/** Keywords that only report that something below them failed. */
const OUTER = new Set([
  "properties",
  "items",
  "prefixItems",
  "additionalProperties",
  "$ref",
  "oneOf",
  "anyOf",
  "allOf",
]);

/**
 * Mistakes that the schema of the API's document finds. Values that are not known before the deployment are
 * not judged.
 */
export function failuresOf(inputs: unknown, schema: SchemaName): readonly InputFailure[] {
  const root = {
    $ref: `#/components/schemas/${schema}`,
    components: document.components,
  } as unknown as Schema;
  const { errors } = new Validator(root, "2020-12", false).validate(inputs);
  const found = new Map<string, string>();
  for (const { keyword, error, instanceLocation } of errors) {
    const path = instanceLocation.split("/").slice(1).map(unescaped);
    if (OUTER.has(keyword) || isUnknownAt(inputs, path)) continue;
    const property = path.reduce(joined, "");
    if (!found.has(property)) found.set(property, keyword === "false" ? "Unknown member." : error);
  }
  return [...found].map(([property, reason]) => ({ property, reason }));
}

const unescaped = (part: string): string =>
  decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");

const joined = (path: string, part: string): string => {
  if (/^\d+$/u.test(part)) return `${path}[${part}]`;
  return path === "" ? part : `${path}.${part}`;
};

function isUnknownAt(value: unknown, path: readonly string[]): boolean {
  if (value === UNKNOWN) return true;
  const [first, ...rest] = path;
  if (first === undefined) return false;
  if (Array.isArray(value)) return isUnknownAt(value[Number(first)], rest);
  return isValues(value) && isUnknownAt(value[first], rest);
}
