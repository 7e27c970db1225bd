/** What the routes of the OpenAPI document declare, by the route that hono matched. */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import * as z from "zod";
import { isScope, type Scope } from "../../core/access/scope.ts";
import type { ApiEnv } from "./api-env.ts";
import { IDEMPOTENCY_KEY } from "./idempotency-key.ts";

/** Member of a route, and of its operation in the document, that has its scope; null = any caller. */
export const SCOPE_MEMBER = "x-scope";

export interface DeclaredRoute {
  readonly queryNames: ReadonlySet<string>;
  /** null = any caller; undefined = none is declared. */
  readonly scope: Scope | null | undefined;
  /** Whether it takes an Idempotency-Key. */
  readonly keepsAnswer: boolean;
}

export type DeclaredRoutes = ReadonlyMap<string, DeclaredRoute>;

interface Pattern {
  readonly method: string;
  readonly path: string;
}

const keyOf = ({ method, path }: Pattern): string => `${method} ${path}`;

const takesKey = (headers: unknown): boolean =>
  headers instanceof z.ZodObject && IDEMPOTENCY_KEY.toLowerCase() in headers.shape;

/** By method and pattern, as hono has them. */
export function declaredRoutes(app: OpenAPIHono<ApiEnv>): DeclaredRoutes {
  return new Map(
    app.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return [];
      const { method, path, request, [SCOPE_MEMBER]: scope } = definition.route;
      const names = request?.query instanceof z.ZodObject ? Object.keys(request.query.shape) : [];
      // As @hono/zod-openapi registers it.
      const pattern = path.replaceAll(/\{(\w+)\}/g, ":$1");
      const declared = scope === null || isScope(scope) ? scope : undefined;
      return [
        [
          keyOf({ method: method.toUpperCase(), path: pattern }),
          { queryNames: new Set(names), scope: declared, keepsAnswer: takesKey(request?.headers) },
        ] as const,
      ];
    }),
  );
}

/** The route whose handler answers: hono calls the first that was registered. Middleware has method ALL. */
export const matchedRoute = (c: Context<ApiEnv>): Pattern | undefined =>
  matchedRoutes(c).find(({ method }) => method !== "ALL");

export const declarationOf = (routes: DeclaredRoutes, route: Pattern): DeclaredRoute | undefined =>
  routes.get(keyOf(route));

const BELOW_V1 = /^\/v1(?:\/|$)/;
/** Paths of middleware for every route. */
const MIDDLEWARE: readonly string[] = ["/*", "/v1/*"];

/**
 * Denies by default: a route below /v1 must say which scope it needs.
 *
 * @throws Error naming the first route that does not.
 */
export function requireDeclaredScopes(app: OpenAPIHono<ApiEnv>): void {
  const declared = declaredRoutes(app);
  for (const { method, path } of app.routes) {
    if (!BELOW_V1.test(path) || (method === "ALL" && MIDDLEWARE.includes(path))) continue;
    if (declared.get(keyOf({ method, path }))?.scope === undefined)
      throw new Error(`${method} ${path} declares no scope: add needs(…) of route-parts.ts`);
  }
}
