/** JSON Merge Patch (RFC 7396) of settings documents. */

import * as z from "zod";
/**
 * The document that a JSON merge patch makes of `target` (RFC 7396 section 2): null removes, an object is
 * merged, anything else replaces. Both are JSON values; neither is changed.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  // A Map and fromEntries, since assigning to a key `__proto__` would set the prototype instead.
  const merged = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Schema of a merge patch (RFC 7396) of the documents of `document`: every member of every object may be
 * absent, or null for its default, and none has its own default, since a default would set back what a patch
 * leaves out. Lists are replaced whole. What the patch makes of the stored document is validated besides.
 */
export const patchOf = (document: z.ZodObject): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      Object.entries(document.shape).map(([name, member]) => [name, memberPatch(member as z.ZodType)]),
    ),
  );

function memberPatch(member: z.ZodType): z.ZodType {
  const { description, examples, readOnly, maxLength, pattern } = member.meta() ?? {};
  const inner = withoutWrappers(member);
  const patch = patchOfInner(inner);
  const meta = { description, examples, readOnly, maxLength, pattern };
  return patch
    .nullable()
    .optional()
    .meta(Object.fromEntries(Object.entries(meta).filter(([, value]) => value !== undefined)));
}

/** A map is merged member by member, too: null removes one. */
function patchOfInner(inner: z.ZodType): z.ZodType {
  if (inner instanceof z.ZodObject) return patchOf(inner);
  if (!(inner instanceof z.ZodRecord)) return inner;
  const value = inner.valueType as z.ZodType;
  const { propertyNames } = inner.meta() ?? {};
  return z.record(inner.keyType, memberPatch(value).nonoptional()).meta({ propertyNames });
}

function withoutWrappers(schema: z.ZodType): z.ZodType {
  const isWrapper =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable;
  return isWrapper ? withoutWrappers(schema.unwrap() as z.ZodType) : schema;
}
