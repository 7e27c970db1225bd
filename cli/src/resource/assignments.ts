import { CommandError } from "../frame/command-error.ts";

type Document = Readonly<Record<string, unknown>>;

/** One `field=value` of a command line. */
export interface Assignment {
  /** Names of members, outermost first. */
  readonly path: readonly string[];
  readonly text: string;
  /** The text is JSON: `field:=json`. */
  readonly isJson: boolean;
}

const ASSIGNMENT = /^(?<path>[^=:]+)(?<operator>:?=)(?<text>[\s\S]*)$/u;
const MEMBER = /^[A-Za-z][A-Za-z0-9]*$/u;
/** Its members have names with dots: `labels.cost.centre`. */
const LABELS = "labels";

/**
 * @param shortNames paths by names that stand for them
 * @throws CommandError for a text that is no assignment, or two of one field
 */
export function parseAssignments(
  texts: readonly string[],
  shortNames: Readonly<Record<string, string>>,
): readonly Assignment[] {
  const assignments = texts.map((text) => parseAssignment(text, shortNames));
  const paths = assignments.map(({ path }) => path.join("."));
  const repeated = paths.find((path, index) => paths.indexOf(path) !== index);
  if (repeated !== undefined) throw new CommandError(`${repeated} is set twice`);
  return assignments;
}

function parseAssignment(text: string, shortNames: Readonly<Record<string, string>>): Assignment {
  const { path: name, operator, text: value = "" } = ASSIGNMENT.exec(text)?.groups ?? {};
  if (name === undefined)
    throw new CommandError(`${text} is not a setting`, {
      hint: "Write it as field=value, such as level=require.",
    });
  const full = Object.hasOwn(shortNames, name) ? (shortNames[name] ?? name) : name;
  const path = full.startsWith(`${LABELS}.`) ? [LABELS, full.slice(LABELS.length + 1)] : full.split(".");
  const isPath =
    path[0] === LABELS && path.length === 2
      ? /^[a-z0-9.-]{1,40}$/u.test(path[1] ?? "")
      : path.every((member) => MEMBER.test(member));
  if (!isPath) throw new CommandError(`${name} is not the name of a field`);
  return { path, text: value, isJson: operator === ":=" };
}

/**
 * The merge patch (RFC 7396) of the assignments. A text takes the type that the field has in `document`: a
 * list is split at commas.
 */
export function patchOf(assignments: readonly Assignment[], document: object): Document {
  let patch: Document = {};
  for (const assignment of assignments) {
    const value = assignment.isJson
      ? jsonOf(assignment)
      : typedValue(assignment, valueAt(document, assignment.path));
    patch = withValue(patch, assignment.path, value);
  }
  return patch;
}

function jsonOf({ path, text }: Assignment): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(`${path.join(".")}:= takes JSON: ${(error as Error).message}`, { cause: error });
  }
}

function typedValue({ path, text }: Assignment, current: unknown): unknown {
  const field = path.join(".");
  // As an empty list is: `labels.team:='""'` is the label without text.
  if (path[0] === LABELS && text === "") return null;
  if (typeof current === "boolean") {
    if (text === "true" || text === "false") return text === "true";
    throw new CommandError(`${field} takes true or false`);
  }
  if (typeof current === "number") {
    if (/^-?\d{1,15}$/u.test(text)) return Number(text);
    throw new CommandError(`${field} takes a whole number`);
  }
  if (typeof current !== "object" || current === null) return text;
  if (!Array.isArray(current) || current.some((each) => typeof each === "object"))
    throw new CommandError(`${field} takes JSON`, { hint: `Write ${field}:='…', or one of its fields.` });
  return text === "" ? [] : text.split(",").map((each) => each.trim());
}

const isObject = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function valueAt(document: unknown, [member, ...rest]: readonly string[]): unknown {
  if (member === undefined) return document;
  return isObject(document) && Object.hasOwn(document, member) ? valueAt(document[member], rest) : undefined;
}

function withValue(document: Document, [member = "", ...rest]: readonly string[], value: unknown): Document {
  const inner = document[member];
  if (rest.length === 0) return { ...document, [member]: value };
  return { ...document, [member]: withValue(isObject(inner) ? inner : {}, rest, value) };
}

/** A document with a merge patch applied (RFC 7396 section 2). */
export function withPatch<T>(document: T, patch: Document): T {
  const merged = new Map<string, unknown>(Object.entries(isObject(document) ? document : {}));
  for (const [member, value] of Object.entries(patch)) {
    if (value === null) merged.delete(member);
    else merged.set(member, isObject(value) ? withPatch(merged.get(member), value) : value);
  }
  // The API checks the document that the patch makes.
  return Object.fromEntries(merged) as T;
}
