/** Rejection of unknown query parameters. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import * as z from "zod";
import { cutText } from "../../core/plain-text.ts";
import { InvalidInput, type Issue, mayBeKey, toPointer } from "../../core/errors.ts";
import type { ApiEnv } from "./api-env.ts";

const MAX_SHOWN = 100;

/**
 * Refuses query parameters that the route does not declare: `?dryRun=true` must not be ignored and write.
 * Routes outside the document declare none.
 */
export function knownQueryOnly(app: OpenAPIHono<ApiEnv>): MiddlewareHandler<ApiEnv> {
  let declared: ReadonlyMap<string, ReadonlySet<string>> | null = null;
  return async (c, next) => {
    const route = matchedRoutes(c).findLast(({ method }) => method !== "ALL");
    if (route === undefined) return next();
    declared ??= declaredQueries(app);
    const known = declared.get(`${route.method} ${route.path}`);
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

function declaredQueries(app: OpenAPIHono<ApiEnv>): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return [];
      const { method, path, request } = definition.route;
      const names = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape) : [];
      // As @hono/zod-openapi registers it.
      const pattern = path.replaceAll(/\{(\w+)\}/g, ":$1");
      return [[`${method.toUpperCase()} ${pattern}`, new Set(names)] as const];
    }),
  );
}
