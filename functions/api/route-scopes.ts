/** Authorization: the scope of the matched route, and the account that an operator acts in. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { type AccountName, isAccountName } from "../../core/access/account-name.ts";
import { type Caller, requireScope } from "../../core/access/scope.ts";
import { InvalidInput } from "../../core/errors.ts";
import type { ApiEnv } from "./api-env.ts";
import { declarationOf, type DeclaredRoutes, declaredRoutes, matchedRoute } from "./declared-routes.ts";

export const ACCOUNT_HEADER = "Postern-Account";

/**
 * Rejects a caller without the scope of the route before anything else of the request is looked at. A path
 * without a route is left to `notFound`.
 *
 * @throws MissingScope; InvalidInput for a malformed account.
 */
export function scopeOfRoute(app: OpenAPIHono<ApiEnv>): MiddlewareHandler<ApiEnv> {
  let declared: DeclaredRoutes | null = null;
  return async (c, next) => {
    const caller = c.get("actor");
    const route = matchedRoute(c);
    if (route !== undefined) {
      declared ??= declaredRoutes(app);
      const scope = declarationOf(declared, route)?.scope;
      // createApp lets no such route through (requireDeclaredScopes).
      if (scope === undefined) throw new Error(`${route.method} ${route.path} declares no scope`);
      if (scope !== null) requireScope(caller, scope);
    }
    c.set("actor", actingIn(caller, c.req.header(ACCOUNT_HEADER)));
    await next();
  };
}

/** Only an operator may name another account than its own. */
function actingIn(caller: Caller, named: string | undefined): Caller {
  if (named === undefined || named === caller.account) return caller;
  requireScope(caller, "operator");
  return { ...caller, account: accountOf(named) };
}

function accountOf(named: string): AccountName {
  if (isAccountName(named)) return named;
  const message = "must be the name of an account: 1 to 40 of a-z, 0-9 and hyphens";
  throw new InvalidInput(`The header ${ACCOUNT_HEADER} is not valid.`, [
    { in: "header", pointer: `/${ACCOUNT_HEADER.toLowerCase()}`, code: "invalid-account", message },
  ]);
}
