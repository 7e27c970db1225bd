/** Answers under an Idempotency-Key. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { ApiEnv } from "./api-env.ts";
import { declarationOf, type DeclaredRoutes, declaredRoutes, matchedRoute } from "./declared-routes.ts";
import { IDEMPOTENCY_KEY } from "./idempotency-key.ts";
import type { KeyedParts } from "./keyed-request.ts";

/**
 * Runs after all that decides whether the caller may make the request, so that an answer is given again only
 * to a caller that may still have it. On the routes that declare the header.
 */
export function answersKept(app: OpenAPIHono<ApiEnv>, parts: KeyedParts): MiddlewareHandler<ApiEnv> {
  let declared: DeclaredRoutes | null = null;
  return async (c, next) => {
    const key = c.req.header(IDEMPOTENCY_KEY);
    const route = matchedRoute(c);
    if (key === undefined || route === undefined) return next();
    declared ??= declaredRoutes(app);
    if (declarationOf(declared, route)?.keepsAnswer !== true) return next();
    const { runKeyed } = await import("./keyed-request.ts");
    return runKeyed(c, next, { ...parts, key });
  };
}
