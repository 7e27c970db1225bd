import { fieldsOf } from "../frame/output.ts";

/** A field that differs, as `tls.server.level`. */
export interface Difference {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** Members that every write changes, or that follow from others. */
const DERIVED: ReadonlySet<string> = new Set(["revision", "createdAt", "updatedAt", "updatedBy", "warnings"]);
const ABSENT = "absent";

/** The fields in which two states of a record differ, in order of their names. */
export function differences(before: object, after: object): readonly Difference[] {
  const from = ownFields(before);
  const to = ownFields(after);
  return [...new Set([...from.keys(), ...to.keys()])]
    .map((path) => ({ path, from: from.get(path) ?? ABSENT, to: to.get(path) ?? ABSENT }))
    .filter((each) => each.from !== each.to)
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

function ownFields(record: object): ReadonlyMap<string, string> {
  const own = Object.entries(record).filter(([name]) => !DERIVED.has(name));
  // An object without members is a field, which its first member replaces.
  return new Map(fieldsOf(Object.fromEntries(own)).map(([path, text]) => [path, text]));
}
