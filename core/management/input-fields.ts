/** Field schemas that the input schemas share. */

import { checkPlainText, type FormatCheck } from "../plain-text.ts";
import * as z from "zod";
import { NAME_PATTERN, parseDomainName, parseNamePattern } from "../name/domain-name.ts";
import { InvalidInput } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { NO_LABELS } from "../record/labels.ts";
import { issuesOf } from "./schema-issues.ts";
import { PATTERNS } from "./text-formats.ts";

/** Fields that the documents of several resources are made of. */

/** A text that `parse` takes; its message becomes the issue's. */
const parsed = <T extends string>(parse: (text: string) => T) =>
  z.string().transform((text, context): T => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      context.issues.push({ code: "custom", message: error.message, input: text });
      return z.NEVER;
    }
  });

export const checked = (check: FormatCheck) =>
  parsed((text) => {
    check(text);
    return text;
  });

export const domainNameInput = parsed(parseDomainName).meta({
  description: "lower-case A-label name without a trailing dot",
  pattern: NAME_PATTERN,
  maxLength: 253,
  examples: ["example.com"],
});
export const namePatternInput = parsed(parseNamePattern).meta({
  description: "an A-label name, or `*.` and one",
  pattern: NAME_PATTERN.replace("^", String.raw`^(?:\*\.)?`),
  maxLength: 255,
  examples: ["*.example.com"],
});

/** An id of any shape is only looked up: one that is not stored is 422 in either case. */
export const storedId = <T extends string>(example: string) =>
  z
    .string()
    .min(1)
    .max(100)
    .transform((text) => text as T)
    .meta({ examples: [example] });

export const plainText = (maxLength: number) =>
  checked(checkPlainText)
    .pipe(z.string().regex(/\S/, "says nothing").max(maxLength))
    .meta({ minLength: 1, maxLength, pattern: PATTERNS.statement });

export const labelInput = checked(checkPlainText)
  .pipe(z.string().max(CAPS.labelCharacters))
  .nullable()
  .default(null)
  .meta({
    description: "note for people; null = none",
    maxLength: CAPS.labelCharacters,
    pattern: PATTERNS.plainText,
  });

export const labelsInput = z
  .record(
    z
      .string()
      .regex(new RegExp(PATTERNS.labelName), "must be 1 to 40 lower-case letters, digits, dots and hyphens"),
    checked(checkPlainText)
      .pipe(z.string().max(CAPS.labelValueCharacters))
      .meta({ maxLength: CAPS.labelValueCharacters, pattern: PATTERNS.plainText }),
  )
  .superRefine((given, context) => {
    if (Object.keys(given).length <= CAPS.labels) return;
    const message = `must have at most ${CAPS.labels} members`;
    context.addIssue({ code: "custom", message, params: { code: "too-big" } });
  })
  .meta({ propertyNames: { pattern: PATTERNS.labelName }, maxProperties: CAPS.labels })
  .default(NO_LABELS)
  .meta({
    description: "names and values for the owner's tools; lists can be filtered by them",
    examples: [{ team: "mail" }],
  });

/** Each value once: a repeated one is a mistake of the writer, and counts would differ from what is meant. */
export const distinct = <T extends z.ZodType<string>>(item: T, cap: number) =>
  z
    .array(item)
    .superRefine((values, context) => {
      // A list over its cap is refused anyway.
      if (values.length > cap) return;
      const seen = new Set<string>();
      for (const [index, value] of values.entries()) {
        if (!seen.has(value)) {
          seen.add(value);
          continue;
        }
        context.addIssue({
          code: "custom",
          path: [index],
          message: `${JSON.stringify(value)} is in this list twice`,
          params: { code: "duplicate" },
        });
      }
    })
    .meta({ maxItems: cap, uniqueItems: true });

/** A field that answers carry and requests may repeat. */
export const ignoredInput = z
  .unknown()
  .optional()
  .meta({ readOnly: true, description: "ignored: what was read may be sent back" });

/** @throws InvalidInput with every mistake at its pointer. */
export function parseDocument<T extends z.ZodType>(schema: T, document: unknown): z.output<T> {
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  throw new InvalidInput("The document does not match the schema.", issuesOf(result.error));
}
