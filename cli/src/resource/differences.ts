import { fieldsOf, painted, type Piece } from "../frame/output.ts";

/** A field that differs, as `tls.server.level`. */
export interface Difference {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** Members that every write changes, or that follow from others. */
const DERIVED: ReadonlySet<string> = new Set(["revision", "createdAt", "updatedAt", "updatedBy", "warnings"]);
const ABSENT = "absent";
/** A field without a value, and no field: they say the same. */
const EMPTY: ReadonlySet<string> = new Set([ABSENT, "none"]);

/**
 * The fields in which two states of a record differ, in order of their names. An object or list without
 * members is no field beside its members in the other state.
 */
export function differences(before: object, after: object): readonly Difference[] {
  const from = ownFields(before);
  const to = ownFields(after);
  const paths = [...new Set([...from.keys(), ...to.keys()])];
  return paths
    .filter((path) => !paths.some((other) => other.startsWith(`${path}.`)))
    .map((path) => ({ path, from: from.get(path) ?? ABSENT, to: to.get(path) ?? ABSENT }))
    .filter(({ from: old, to: now }) => old !== now && !(EMPTY.has(old) && EMPTY.has(now)))
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

export const differenceLine = ({ path, from, to }: Difference): readonly Piece[] => [
  painted("bold", path),
  ": ",
  painted("bad", from),
  " → ",
  painted("good", to),
];

function ownFields(record: object): ReadonlyMap<string, string> {
  const own = Object.entries(record).filter(([name]) => !DERIVED.has(name));
  return new Map(fieldsOf(Object.fromEntries(own)).map(([path, text]) => [path, text]));
}
