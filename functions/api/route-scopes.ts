/** Authorization: the scope of the matched route, and the account that an operator acts in. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { ACCOUNTS } from "../../core/access/access-record.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import { isAccountName } from "../../core/access/account-name.ts";
import { type Caller, hasScope, requireScope, type Scope } from "../../core/access/scope.ts";
import { OPERATOR_ACCOUNT } from "../../core/actor.ts";
import type { Clock } from "../../core/clock.ts";
import { InvalidInput, type Issue, RuleViolation } from "../../core/errors.ts";
import type { IssueCode } from "../../core/issue-code.ts";
import type { ApiEnv } from "./api-env.ts";
import { type Authenticate, Unauthenticated } from "./caller.ts";
import { declarationOf, type DeclaredRoutes, declaredRoutes, matchedRoute } from "./declared-routes.ts";
import { keyOf } from "./rate-limit.ts";
import { NoAccess } from "./stored-callers.ts";

export const ACCOUNT_HEADER = "Postern-Account";

interface AccessParts {
  readonly access: AccessStore;
  readonly authenticate: Authenticate;
  readonly clock: Clock;
}

/**
 * Rejects a caller without the scope of the route before anything else of the request is looked at. A path
 * without a route is left to `notFound`.
 *
 * @throws MissingScope; InvalidInput for a malformed account, RuleViolation for one that does not exist.
 */
export function scopeOfRoute(app: OpenAPIHono<ApiEnv>, parts: AccessParts): MiddlewareHandler<ApiEnv> {
  let declared: DeclaredRoutes | null = null;
  return async (c, next) => {
    const caller = c.get("actor");
    const { access } = parts;
    const route = matchedRoute(c);
    if (route === undefined) return next();
    declared ??= declaredRoutes(app);
    const scope = declarationOf(declared, route)?.scope;
    // createApp lets no such route through (requireDeclaredScopes).
    if (scope === undefined) throw new Error(`${route.method} ${route.path} declares no scope`);
    if (scope !== null) requireScope(caller, scope);
    const isOperator = hasScope(caller, "operator");
    c.set("actor", { ...(await actingIn(caller, access, c.req.header(ACCOUNT_HEADER))), isOperator });
    const judge = () => judgeAgain(c, scope, parts);
    c.set("waiter", { account: caller.account, caller: keyOf(caller), judge, signal: c.env?.clientClosed });
    return next();
  };
}

/**
 * The caller of a request that waits, as it is now: the authorizer of API Gateway has judged it before.
 *
 * @throws Unauthenticated for credentials that were revoked or have run out; NoAccess; as `scopeOfRoute`
 */
async function judgeAgain(
  c: Context<ApiEnv>,
  scope: Scope | null,
  { access, authenticate, clock }: AccessParts,
): Promise<void> {
  const caller = await authenticate(c.req.raw, c.env);
  const { account, expiresAt } = caller;
  if (expiresAt !== null && Date.parse(expiresAt) <= clock.now()) throw new Unauthenticated(true);
  if (account !== c.get("homeAccount")) throw new NoAccess("the caller acts in another account now");
  if (scope !== null) requireScope(caller, scope);
  await actingIn(caller, access, c.req.header(ACCOUNT_HEADER));
}

/** Only an operator may name another account than its own. */
async function actingIn(caller: Caller, access: AccessStore, named: string | undefined): Promise<Caller> {
  if (named === undefined || named === caller.account) return caller;
  requireScope(caller, "operator");
  if (!isAccountName(named)) {
    const message = "must be the name of an account: 1 to 40 of a-z, 0-9 and hyphens";
    throw new InvalidInput(`The header ${ACCOUNT_HEADER} is not valid.`, [issue("invalid-account", message)]);
  }
  const isKnown = named === OPERATOR_ACCOUNT || (await access.get(ACCOUNTS, named)) !== null;
  if (!isKnown) throw new RuleViolation([issue("unknown-account", `no account has the name ${named}`)]);
  return { ...caller, account: named };
}

const issue = (code: IssueCode, message: string): Issue => ({
  in: "header",
  pointer: `/${ACCOUNT_HEADER.toLowerCase()}`,
  code,
  message,
});
