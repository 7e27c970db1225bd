import schema from "../../postern.schema.json" with { type: "json" };

/** Fields of a domain, for a word that is none. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
}

const DEFINITIONS: Readonly<Record<string, unknown>> = schema.$defs;

const resolved = (given: Schema): Schema => {
  if (given.$ref !== undefined) return resolved(DEFINITIONS[given.$ref.replace("#/$defs/", "")] ?? {});
  const object = given.oneOf?.find(({ type }) => type !== "null");
  return object === undefined ? given : resolved(object);
};

/** A file alone has labels in place of ids. */
const OF_A_FILE: ReadonlySet<string> = new Set(["certificate", "trustStores"]);

function membersOf(given: Schema): ReadonlyMap<string, Schema> {
  const { properties = {} } = resolved(given);
  return new Map(Object.entries(properties).filter(([name]) => !OF_A_FILE.has(name)));
}

const DOMAIN: Schema = { $ref: "#/$defs/DomainInput" };

function schemaAt(path: readonly string[]): Schema {
  let at: Schema = DOMAIN;
  for (const name of path) at = resolved(at).items ?? membersOf(at).get(name) ?? {};
  return resolved(at);
}

/** Names of the members at a path of a domain, such as `["tls", "exceptions", "0", "match"]`. */
export const membersAt = (path: readonly string[]): readonly string[] => [
  ...membersOf(schemaAt(path)).keys(),
];

/** The values that a field of a domain may have; empty = they are not counted. */
export const valuesAt = (path: readonly string[]): readonly string[] =>
  (schemaAt(path).enum ?? []).map(String);

function pathsBelow(given: Schema, path: string): readonly string[] {
  return [...membersOf(given)].flatMap(([name, member]) => {
    const its = path === "" ? name : `${path}.${name}`;
    return [its, ...pathsBelow(member, its)];
  });
}

/** Mistakes of typing that a word may have. */
const typos = (word: string): number => Math.min(3, Math.floor(word.length / 3) + 1);

/** Every path of a domain that can be set. */
export const domainPaths = (): readonly string[] => pathsBelow(DOMAIN, "");

/** The candidate that is most like `text`, as a whole or by its last part; null = none is. */
export function nearest(text: string, candidates: readonly string[]): string | null {
  const wanted = text.toLowerCase();
  const last = lastOf(wanted);
  let best: { readonly candidate: string; readonly by: number; readonly whole: number } | null = null;
  for (const candidate of candidates) {
    const name = candidate.toLowerCase();
    const whole = distance(wanted, name);
    // `sender` for `senderDomain`: a word that was not finished.
    const part = lastOf(name).startsWith(last) ? 1 : distance(last, lastOf(name));
    const by = Math.min(whole, lastOf(name) === last ? 0 : part);
    if (best === null || by < best.by || (by === best.by && whole < best.whole))
      best = { candidate, by, whole };
  }
  return best !== null && best.by <= typos(last) ? best.candidate : null;
}

const lastOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1);

/** Insertions, deletions, replacements and exchanges of neighbours that make one text the other. */
function distance(one: string, other: string): number {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1];
      const isExchanged = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (isSame ? 0 : 1),
          isExchanged ? (before[j - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    before = row;
    row = next;
  }
  return row[other.length] ?? 0;
}
