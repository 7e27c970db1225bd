/** Rejection of unknown query parameters. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { cutText } from "../../core/plain-text.ts";
import { InvalidInput, type Issue, mayBeKey, toPointer } from "../../core/errors.ts";
import type { ApiEnv } from "./api-env.ts";
import { declarationOf, type DeclaredRoutes, declaredRoutes, matchedRoute } from "./declared-routes.ts";

const MAX_SHOWN = 100;

/**
 * Refuses query parameters that the route does not declare: `?dryRun=true` must not be ignored and write.
 * Routes outside the document declare none.
 */
export function knownQueryOnly(app: OpenAPIHono<ApiEnv>): MiddlewareHandler<ApiEnv> {
  let declared: DeclaredRoutes | null = null;
  return async (c, next) => {
    const route = matchedRoute(c);
    if (route === undefined) return next();
    declared ??= declaredRoutes(app);
    const known = declarationOf(declared, route)?.queryNames;
    const names = new Set(new URL(c.req.url).searchParams.keys());
    const issues = [...names].filter((name) => known?.has(name) !== true).map(unknownParameter);
    if (issues.length > 0) throw new InvalidInput("The query is not valid.", issues);
    return next();
  };
}

function unknownParameter(name: string): Issue {
  const shown = mayBeKey(name) ? "the name of a parameter" : JSON.stringify(cutText(name, MAX_SHOWN));
  const message = `${shown} is not a parameter here`;
  return { in: "query", pointer: toPointer([cutText(name, MAX_SHOWN)]), code: "unknown-field", message };
}
