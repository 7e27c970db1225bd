/** Route of evaluations. */

import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { evaluationInput } from "../../core/evaluation/evaluation-input.ts";
import type { EvaluationService } from "../../core/evaluation/evaluation-service.ts";
import type { ApiEnv } from "./api-env.ts";
import { evaluationResponse } from "./evaluation-response.ts";
import type { Loaded } from "./loaded.ts";
import { sharedHostsQuery } from "./parameters.ts";
import { answers, BODY_PROBLEMS, needs, problems, takesJson } from "./route-parts.ts";

const body = takesJson(evaluationInput);

const evaluate = createRoute({
  ...needs("evaluate"),
  tags: ["status"],
  operationId: "evaluate",
  method: "post",
  path: "/v1/evaluate",
  summary: "Ask what an edge would reply to a sender",
  description:
    "Judges a session as an edge does, under the stored settings or a draft of them. Nothing is written, and no mail is sent.",
  middleware: body.middleware,
  request: { query: sharedHostsQuery, body: body.body },
  responses: {
    200: answers(evaluationResponse, "what the edge would reply, and why"),
    ...problems(...BODY_PROBLEMS, "not-found", "name-taken", "shared-host", "host-taken", "unreadable"),
  },
});

export function routeEvaluate(app: OpenAPIHono<ApiEnv>, evaluations: Loaded<EvaluationService>): void {
  app.openapi(evaluate, async (c) => {
    const service = await evaluations();
    const options = { moveSharedHosts: c.req.valid("query").sharedHosts === "move" };
    return c.json(await service.evaluate(c.get("actor"), c.req.valid("json"), options), 200);
  });
}
