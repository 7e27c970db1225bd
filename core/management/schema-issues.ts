import type * as z from "zod";
import { cutText } from "../plain-text.ts";
import { type Issue, mayBeKey, type RequestPart, toPointer } from "../errors.ts";
import { isIssueCode, type IssueCode } from "../issue-code.ts";

/**
 * What is wrong with a document or another part of a request, each at its own pointer; an unknown key points
 * at itself.
 */
export function issuesOf(error: z.core.$ZodError, part: RequestPart = "body"): Issue[] {
  const issues = error.issues.flatMap(toIssues);
  return part === "body" ? issues : issues.map((issue) => ({ in: part, ...issue }));
}

function toIssues(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      pointer: toPointer([...issue.path, key]),
      code: "unknown-field",
      message: `${mayBeKey(key) ? "the name of a member" : JSON.stringify(cutText(key, 100))} is not a known field`,
    }));
  return [{ pointer: toPointer(issue.path), code: codeOf(issue), message: messageOf(issue) }];
}

function codeOf(issue: z.core.$ZodIssue): IssueCode {
  if (issue.code === "custom") {
    const code: unknown = issue.params?.["code"];
    return isIssueCode(code) ? code : "invalid-format";
  }
  if (isAbsent(issue)) return "required";
  return CODES[issue.code];
}

const isAbsent = (issue: z.core.$ZodIssue): boolean =>
  issue.code === "invalid_type" && issue.message.endsWith("received undefined");

/**
 * The same words for every kind of mistake, whichever library finds it. Formats have their own, next to their
 * pattern.
 */
function messageOf(issue: z.core.$ZodIssue): string {
  if (isAbsent(issue)) return "is required";
  switch (issue.code) {
    case "invalid_type":
      return `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case "too_small":
      return issue.minimum === 1 && issue.origin !== "number" && issue.origin !== "int"
        ? "must not be empty"
        : `must ${amount(issue.origin, "at least", issue.minimum)}`;
    case "too_big":
      return `must ${amount(issue.origin, "at most", issue.maximum)}`;
    case "invalid_value":
      return oneOf(issue.values);
    case "invalid_union":
      return "options" in issue && Array.isArray(issue.options)
        ? oneOf(issue.options)
        : "has none of the forms that are allowed here";
    case "not_multiple_of":
      return `must be a multiple of ${String(issue.divisor)}`;
    case "invalid_format":
    case "custom":
      // What zod says where a schema says nothing.
      return issue.message.startsWith("Invalid ") ? "has the wrong format" : issue.message;
    case "invalid_key":
      return issue.issues.map(messageOf)[0] ?? "has the wrong format";
    case "unrecognized_keys":
      return "is not a known field";
    case "invalid_element":
      return "holds an invalid item";
    default:
      return issue satisfies never;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

function amount(origin: string, bound: string, value: number | bigint): string {
  const count = String(value);
  if (origin === "string") return `have ${bound} ${count} characters`;
  if (origin === "array") return `have ${bound} ${count} items`;
  return `be ${bound} ${count}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((value) => JSON.stringify(value)).join(", ");
  return values.length === 1 ? `must be ${shown}` : `must be one of ${shown}`;
}

const CODES: Readonly<Record<Exclude<z.core.$ZodIssue["code"], "custom">, IssueCode>> = {
  invalid_type: "invalid-type",
  too_big: "too-big",
  too_small: "too-small",
  invalid_format: "invalid-format",
  not_multiple_of: "invalid-value",
  unrecognized_keys: "unknown-field",
  invalid_union: "invalid-value",
  invalid_key: "invalid-format",
  invalid_element: "invalid-value",
  invalid_value: "invalid-value",
};
