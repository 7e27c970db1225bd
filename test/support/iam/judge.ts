import { type Context, conditionHolds } from "./conditions.ts";
import { matches, type Statement } from "./policy.ts";

/** One permission that a request needs. */
export interface Ask {
  readonly action: string;
  /** ARN; `*` for an action that AWS knows no resource for. */
  readonly resource: string;
  readonly context: Context;
}

/** One action on one resource of one statement: what can be taken away. */
export interface Grant {
  readonly statement: Statement;
  readonly action: string;
  readonly resource: string;
}

/** What is in force for one role. */
export interface Rights {
  readonly grants: readonly Grant[];
  /** Statements that deny, of the role's policies and of resources'. */
  readonly denials: readonly Statement[];
}

export type Judgement =
  | { readonly kind: "allowed"; readonly by: readonly Grant[] }
  | { readonly kind: "denied"; readonly ask: Ask; readonly reason: "no-grant" | "explicit-deny" };

const grantsOf = (statement: Statement): readonly Grant[] =>
  statement.actions.flatMap((action) =>
    statement.resources.map((resource) => ({ statement, action, resource })),
  );

/**
 * `ofResources`: policies of resources, of which the denials alone count: within the account a role needs its
 * own grants.
 */
export const rightsOf = (ofRole: readonly Statement[], ofResources: readonly Statement[]): Rights => ({
  grants: ofRole.filter(({ effect }) => effect === "Allow").flatMap(grantsOf),
  denials: [...ofRole, ...ofResources].filter(({ effect }) => effect === "Deny"),
});

/** By AWS's rule: a denial wins, then a grant, and without one the answer is no. @throws Unmapped */
export function judge(ask: Ask, { grants, denials }: Rights): Judgement {
  const isDenied = denials.some(
    (statement) => grantsOf(statement).some((part) => covers(part, ask)) && holds(statement, ask),
  );
  if (isDenied) return { kind: "denied", ask, reason: "explicit-deny" };
  const by = grants.filter((grant) => covers(grant, ask) && holds(grant.statement, ask));
  return by.length > 0 ? { kind: "allowed", by } : { kind: "denied", ask, reason: "no-grant" };
}

const covers = ({ action, resource }: Grant, ask: Ask): boolean =>
  matches(action.toLowerCase(), ask.action.toLowerCase()) && matches(resource, ask.resource);

const holds = ({ conditions }: Statement, { context }: Ask): boolean =>
  conditions.every((condition) => conditionHolds(condition, context));

/**
 * Grants that no request needs: taken away, each leaves everything allowed that was. Where two grants allow
 * the same, neither is needed.
 */
export function unneeded(asks: readonly Ask[], rights: Rights): readonly Grant[] {
  const needed = new Set(
    asks.flatMap((ask) => {
      const judgement = judge(ask, rights);
      return judgement.kind === "allowed" && judgement.by.length === 1 ? judgement.by : [];
    }),
  );
  return rights.grants.filter((grant) => !needed.has(grant));
}
