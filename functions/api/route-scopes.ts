/** Authorization: the scope of the matched route, and the account that an operator acts in. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { ACCOUNTS } from "../../core/access/access-record.ts";
import type { AccessStore } from "../../core/access/access-store.ts";
import { isAccountName } from "../../core/access/account-name.ts";
import { type Caller, hasScope, requireScope } from "../../core/access/scope.ts";
import { OPERATOR_ACCOUNT } from "../../core/actor.ts";
import { InvalidInput, type Issue, RuleViolation } from "../../core/errors.ts";
import type { IssueCode } from "../../core/issue-code.ts";
import type { ApiEnv } from "./api-env.ts";
import { declarationOf, type DeclaredRoutes, declaredRoutes, matchedRoute } from "./declared-routes.ts";

export const ACCOUNT_HEADER = "Postern-Account";

/**
 * Rejects a caller without the scope of the route before anything else of the request is looked at. A path
 * without a route is left to `notFound`.
 *
 * @throws MissingScope; InvalidInput for a malformed account, RuleViolation for one that does not exist.
 */
export function scopeOfRoute(app: OpenAPIHono<ApiEnv>, access: AccessStore): MiddlewareHandler<ApiEnv> {
  let declared: DeclaredRoutes | null = null;
  return async (c, next) => {
    const caller = c.get("actor");
    const route = matchedRoute(c);
    if (route === undefined) return next();
    declared ??= declaredRoutes(app);
    const scope = declarationOf(declared, route)?.scope;
    // createApp lets no such route through (requireDeclaredScopes).
    if (scope === undefined) throw new Error(`${route.method} ${route.path} declares no scope`);
    if (scope !== null) requireScope(caller, scope);
    const isOperator = hasScope(caller, "operator");
    c.set("actor", { ...(await actingIn(caller, access, c.req.header(ACCOUNT_HEADER))), isOperator });
    return next();
  };
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
