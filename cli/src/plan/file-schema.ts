import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import schema from "../../postern.schema.json" with { type: "json" };
import type { Mistake } from "./mistakes.ts";
import type { Path, YamlText } from "./yaml-text.ts";

/** `postern.schema.json`: what a file may have, as the API's own document says it. */

type Json = unknown;
type Schema = Readonly<Record<string, Json>>;

const DEFINITIONS = (schema as { readonly $defs: Readonly<Record<string, Schema>> }).$defs;

let compiled: ValidateFunction | undefined;

function validate(): ValidateFunction {
  // `default` beside `oneOf`, and annotations of OpenAPI: not what the library's strict mode is for.
  const options = { strict: false, allErrors: true, validateFormats: false, discriminator: true } as const;
  compiled ??= new Ajv2020(options).compile(schema);
  return compiled;
}

/** What of a document the schema does not take, each at its place. */
export function schemaMistakes({ value, placeOf }: YamlText): readonly Mistake[] {
  const check = validate();
  if (check(value)) return [];
  return (check.errors ?? [])
    .filter(({ keyword }) => !COVERED.has(keyword))
    .map((error) => {
      const { path, part } = whereOf(error, value);
      return { ...placeOf(path, part), message: textOf(error) };
    });
}

/** Said again by the error of a part. */
const COVERED: ReadonlySet<string> = new Set(["propertyNames", "oneOf"]);

function whereOf(error: ErrorObject, value: Json): { path: Path; part: "key" | "value" } {
  const path = pathOf(error.instancePath, value);
  const key = error.propertyName ?? stringOf(error.params["additionalProperty"]);
  if (key !== undefined) return { path: [...path, key], part: "key" };
  if (error.keyword === "required") return { path, part: "key" };
  return { path: error.keyword === "discriminator" ? [...path, "source"] : path, part: "value" };
}

const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** The parts of a JSON pointer; a part of a list is its index. */
function pathOf(pointer: string, root: Json): Path {
  const parts = pointer === "" ? [] : pointer.slice(1).split("/").map(unescaped);
  let value = root;
  return parts.map((part) => {
    const isIndex = Array.isArray(value);
    value = typeof value === "object" && value !== null ? Reflect.get(value, part) : undefined;
    return isIndex ? Number(part) : part;
  });
}

const unescaped = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~");

/** Longest list of permitted values that a message has. */
const MOST_VALUES = 8;

function textOf({ keyword, params, message = "", propertyName }: ErrorObject): string {
  switch (keyword) {
    case "additionalProperties":
      return `unknown field ${JSON.stringify(params["additionalProperty"])}`;
    case "required":
      return `${String(params["missingProperty"])} is missing`;
    case "enum": {
      const values = [params["allowedValues"]].flat();
      return values.length > MOST_VALUES
        ? "is none of the values that are known"
        : `must be one of ${values.map(String).join(", ")}`;
    }
    case "type":
      return `must be ${typesOf(params["type"])}`;
    case "discriminator":
      return `source must be one of ${SOURCES.join(", ")}`;
    case "pattern":
      return propertyName === undefined
        ? "has not the right form"
        : `${JSON.stringify(propertyName)} is no valid name`;
    default:
      return message.replace("NOT", "not");
  }
}

const SOURCES = ["self-signed", "pem", "request", "acme", "acm"] as const;
const ARTICLES: Readonly<Record<string, string>> = {
  string: "a text (in quotes, where YAML reads a number, a time or true)",
  array: "a list",
  object: "a map of fields",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

const typesOf = (types: unknown): string =>
  String(types)
    .split(",")
    .map((type) => ARTICLES[type] ?? type)
    .join(" or ");

/** A document of a schema with the defaults of everything that it leaves out. */
export const withDefaults = (name: string, value: Json): Json => filled(DEFINITIONS[name] ?? {}, value);

/** A document without what withDefaults would add. */
export const withoutDefaults = (name: string, value: Json): Json => emptied(DEFINITIONS[name] ?? {}, value);

function filled(given: Schema, value: Json): Json {
  const of = schemaOf(given, value);
  if (Array.isArray(value)) return value.map((item) => filled((of["items"] ?? {}) as Schema, item));
  const members = membersOf(of);
  if (members === null || !isObject(value)) return value;
  const own = Object.entries(members).flatMap(([name, member]): [string, Json][] => {
    if (Object.hasOwn(value, name)) return [[name, filled(member, value[name])]];
    return "default" in member ? [[name, filled(member, member["default"])]] : [];
  });
  return Object.fromEntries(own);
}

function emptied(given: Schema, value: Json): Json {
  const of = schemaOf(given, value);
  if (Array.isArray(value)) return value.map((item) => emptied((of["items"] ?? {}) as Schema, item));
  const members = membersOf(of);
  if (members === null || !isObject(value)) return value;
  const entries = Object.entries(value).flatMap(([name, member]): [string, Json][] => {
    const its = members[name] ?? {};
    const isDefault = "default" in its && isSame(filled(its, its["default"]), member);
    return isDefault ? [] : [[name, emptied(its, member)]];
  });
  return Object.fromEntries(entries);
}

/** With its reference followed, and of several schemas the one for this value. */
function schemaOf(given: Schema, value: Json): Schema {
  const reference = given["$ref"];
  if (typeof reference === "string")
    return schemaOf(DEFINITIONS[reference.replace("#/$defs/", "")] ?? {}, value);
  const choices = given["oneOf"];
  if (!Array.isArray(choices)) return given;
  const choice = (choices as Schema[]).find((each) => (each["type"] === "null") === (value === null));
  return choice === undefined ? given : schemaOf(choice, value);
}

const membersOf = (of: Schema): Readonly<Record<string, Schema>> | null =>
  isObject(of["properties"]) ? (of["properties"] as Readonly<Record<string, Schema>>) : null;

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether two documents say the same: members in any order, absent ones apart from others. */
export function isSame(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  if (!isObject(a) || !isObject(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  );
}
