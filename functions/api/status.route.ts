/** Routes of status and edges. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { StatusService } from "../../core/management/status-service.ts";
import type { ApiEnv } from "./api-env.ts";
import type { Loaded } from "./loaded.ts";
import { idParameter, nameParameter, waitForQuery, waitOf } from "./parameters.ts";
import { answers, needs, problems } from "./route-parts.ts";
import {
  certificateStatusResponse,
  domainStatusResponse,
  edgeListResponse,
  type ShownEdge,
} from "./status-response.ts";

const common = { tags: ["status"] };

const getStatus = createRoute({
  ...common,
  ...needs("domains:read"),
  operationId: "getDomainStatus",
  method: "get",
  path: "/v1/domains/{name}/status",
  summary: "Read what is in force for a domain",
  description:
    "The effective settings of each listener, edges by revision, certificates as served, and warnings. With `waitFor` the answer comes as soon as every live edge enforces that revision.",
  request: { params: nameParameter, query: waitForQuery },
  responses: {
    200: answers(domainStatusResponse, "the status"),
    ...problems("invalid-request", "not-found", "rule-violation"),
  },
});

const getCertificateStatus = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "getCertificateStatus",
  method: "get",
  path: "/v1/certificates/{id}/status",
  summary: "Read which version of a certificate each edge presents",
  description: "The version in force, what each edge presents of it, and why an edge does not present it.",
  request: { params: idParameter, query: waitForQuery },
  responses: {
    200: answers(certificateStatusResponse, "the status"),
    ...problems("invalid-request", "not-found", "unreadable", "rule-violation"),
  },
});

const listEdges = createRoute({
  ...common,
  ...needs("edges:read"),
  operationId: "listEdges",
  method: "get",
  path: "/v1/edges",
  summary: "List edges, live and lost",
  description: "Every edge with its revision and the certificates that it serves.",
  request: { query: z.strictObject({}) },
  responses: { 200: answers(edgeListResponse, "all edges"), ...problems("invalid-request") },
});

export function routeStatus(app: OpenAPIHono<ApiEnv>, status: Loaded<StatusService>): void {
  app.openapi(getStatus, async (c) =>
    c.json(
      await (await status()).domain(
        c.get("actor"),
        c.req.valid("param").name,
        waitOf(c.req.valid("query"), c.get("waiter")),
      ),
      200,
    ),
  );

  app.openapi(getCertificateStatus, async (c) =>
    c.json(
      await (await status()).certificate(
        c.get("actor"),
        c.req.valid("param").id,
        waitOf(c.req.valid("query"), c.get("waiter")),
      ),
      200,
    ),
  );

  app.openapi(listEdges, async (c) => {
    const edges = await (await status()).edges(c.get("actor"));
    const items = edges.map(
      ({
        unreadable: _items,
        postmaster: _mailbox,
        passesOn: _route,
        id,
        release,
        state,
        ...edge
      }): ShownEdge => ({
        id,
        release,
        state,
        ...edge,
      }),
    );
    return c.json({ items, nextCursor: null }, 200);
  });
}
