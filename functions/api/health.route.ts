/** Routes of health checks. */

import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import * as z from "zod";
import { Unavailable } from "../../core/errors.ts";
import type { Store } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import { answers, unauthenticatedProblems } from "./route-parts.ts";

/** A load balancer asks often and gives up after seconds: an answer later than this is none. */
const READY_WITHIN_MS = 2_000;

/** What else must be ready: null = it is, a text = why not. */
export type ReadinessCheck = () => string | null | Promise<string | null>;

const health = z.strictObject({ status: z.enum(["live", "ready"]) }).meta({ id: "Health" });
const common = { tags: ["health"], security: [] };

const live = createRoute({
  ...common,
  operationId: "getLiveness",
  method: "get",
  path: "/health/live",
  summary: "Check that the process runs",
  description: "Answers 200 while the process runs.",
  responses: { 200: answers(health, "live"), ...unauthenticatedProblems("invalid-request", "internal") },
});

const ready = createRoute({
  ...common,
  operationId: "getReadiness",
  method: "get",
  path: "/health/ready",
  summary: "Check that the store can be read and written",
  description: "Answers 200 when the store can be read and written.",
  responses: {
    200: answers(health, "ready"),
    ...unauthenticatedProblems("invalid-request", "internal", "unavailable", "storage-full"),
  },
});

export function routeHealth(
  app: OpenAPIHono<ApiEnv>,
  {
    store,
    readiness,
  }: { readonly store: Pick<Store, "ping">; readonly readiness?: ReadinessCheck | undefined },
): void {
  app.openapi(live, (c) => c.json({ status: "live" as const }, 200));
  app.openapi(ready, async (c) => {
    await inTime(store.ping());
    const problem = await inTime(Promise.resolve(readiness?.() ?? null));
    if (problem !== null) throw new Unavailable(problem);
    return c.json({ status: "ready" as const }, 200);
  });
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Unavailable("no answer in time")), READY_WITHIN_MS);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
