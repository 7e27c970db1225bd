/** One condition of a statement: `StringLike`, `s3:prefix`, `["keys/*"]`. */
export interface Condition {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
}

export interface Statement {
  readonly effect: "Allow" | "Deny";
  /** `Service:lambda.amazonaws.com`, `AWS:*`; empty in a policy of a role, which names none. */
  readonly principals: readonly string[];
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions: readonly Condition[];
}

/**
 * Part of a policy or of a request whose meaning is not known here: an error, since neither answer would be
 * right.
 */
export class Unmapped extends Error {
  override readonly name = "Unmapped";
}

type Members = Readonly<Record<string, unknown>>;

const MEMBERS: ReadonlySet<string> = new Set([
  "Sid",
  "Effect",
  "Principal",
  "Action",
  "Resource",
  "Condition",
]);

/**
 * Statements of a policy document, which may come as text.
 *
 * @throws Unmapped for what is not judged here: NotAction, NotResource, NotPrincipal, policy variables.
 */
export function parsePolicy(policy: unknown): readonly Statement[] {
  const document = (typeof policy === "string" ? JSON.parse(policy) : policy) as Members;
  return [document["Statement"]].flat().map((statement) => parseStatement(statement as Members));
}

function parseStatement(statement: Members): Statement {
  const unknown = Object.keys(statement).filter((member) => !MEMBERS.has(member));
  if (unknown.length > 0) throw new Unmapped(`policies with ${unknown.join(", ")} are not judged`);
  const effect = statement["Effect"];
  if (effect !== "Allow" && effect !== "Deny") throw new Unmapped(`the effect ${String(effect)}`);
  return {
    effect,
    principals: principalsOf(statement["Principal"]),
    actions: texts(statement["Action"]),
    resources: texts(statement["Resource"]),
    conditions: Object.entries((statement["Condition"] ?? {}) as Readonly<Record<string, Members>>).flatMap(
      ([operator, keys]) =>
        Object.entries(keys).map(([key, values]) => ({ operator, key, values: texts(values) })),
    ),
  };
}

function principalsOf(principal: unknown): readonly string[] {
  if (principal === undefined) return [];
  if (principal === "*") return ["AWS:*"];
  return Object.entries(principal as Members).flatMap(([kind, names]) =>
    texts(names).map((name) => `${kind}:${name}`),
  );
}

function texts(value: unknown): readonly string[] {
  const list = value === undefined ? [] : [value].flat().map(String);
  for (const text of list) if (text.includes("${")) throw new Unmapped(`the policy variable in ${text}`);
  return list;
}

/** Pattern of a policy: `*` for any characters, `?` for one. */
export function matches(pattern: string, text: string): boolean {
  const source = pattern
    .replaceAll(/[\\^$.|+()[\]{}]/gu, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su").test(text);
}
