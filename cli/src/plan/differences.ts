import { isObject, isSame } from "./file-schema.ts";

/** One field that differs, as `tls.server.level`; undefined = absent. */
export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Fields that differ, by their order. Lists of plain values are one field. */
export function differences(before: unknown, after: unknown, field = ""): readonly FieldChange[] {
  if (isSame(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) =>
      differences(before[name], after[name], field === "" ? name : `${field}.${name}`),
    );
  }
  if (isRecords(before) && isRecords(after)) {
    const longer = before.length > after.length ? before : after;
    return longer.flatMap((_, index) => differences(before[index], after[index], `${field}[${index}]`));
  }
  return [{ field, before, after }];
}

const isRecords = (value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && value.every(isObject);
