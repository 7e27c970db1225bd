import type * as z from "zod";
import type { Issue } from "../errors.ts";
import { toPointer } from "../json-pointer.ts";

/** More than this many mistakes tell a reader nothing new, and answers stay bounded. */
const MAX_ISSUES = 50;

/** What is wrong with a document, each at its own pointer; an unknown key points at itself. */
export function issuesOf(error: z.core.$ZodError): Issue[] {
  return error.issues.flatMap(toIssues).slice(0, MAX_ISSUES);
}

function toIssues(issue: z.core.$ZodIssue): Issue[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({
      pointer: toPointer([...issue.path, key]),
      code: "unknown-field",
      message: `${JSON.stringify(key.slice(0, 100))} is not a field here`,
    }));
  return [{ pointer: toPointer(issue.path), code: codeOf(issue), message: issue.message }];
}

function codeOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "custom") {
    const code: unknown = issue.params?.["code"];
    return typeof code === "string" ? code : "invalid-format";
  }
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "required";
  return CODES[issue.code];
}

const CODES: Readonly<Record<Exclude<z.core.$ZodIssue["code"], "custom">, string>> = {
  invalid_type: "invalid-type",
  too_big: "too-big",
  too_small: "too-small",
  invalid_format: "invalid-format",
  not_multiple_of: "invalid-value",
  unrecognized_keys: "unknown-field",
  invalid_union: "invalid-value",
  invalid_key: "unknown-field",
  invalid_element: "invalid-value",
  invalid_value: "invalid-value",
};
