/** Routes of status, edges and the change log. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { loggedCertificate } from "../../core/management/certificate-view.ts";
import { CHANGE_ORDERS } from "../../core/management/change-log.ts";
import type { StatusService } from "../../core/management/status-service.ts";
import type { LogEntry } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import type { Loaded } from "./loaded.ts";
import { idParameter, limitQuery, nameParameter, resourceQuery, revisionQuery } from "./parameters.ts";
import { answers, needs, problems } from "./route-parts.ts";
import {
  certificateStatusResponse,
  changeListResponse,
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
    "The effective settings of each listener, edges by revision, certificates as served, and warnings.",
  request: { params: nameParameter },
  responses: {
    200: answers(domainStatusResponse, "the status"),
    ...problems("invalid-request", "not-found"),
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
  request: { params: idParameter },
  responses: {
    200: answers(certificateStatusResponse, "the status"),
    ...problems("invalid-request", "not-found", "unreadable"),
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

const listChanges = createRoute({
  ...common,
  ...needs("changes:read"),
  operationId: "listChanges",
  method: "get",
  path: "/v1/changes",
  summary: "Read the change log, oldest or newest first",
  description:
    "Entries of the change log with the record before and after; never PEM. Entries are kept for 90 days.",
  request: {
    query: z.strictObject({
      after: revisionQuery.optional().openapi({
        description:
          "only later revisions; in order asc nextCursor of the page before. 410 where entries after it are not kept any more; left out = from the oldest",
      }),
      before: revisionQuery.optional().openapi({
        description:
          "only earlier revisions; in order desc nextCursor of the page before. 410 where no entry before it is kept any more; left out = up to the newest",
      }),
      order: z
        .enum(CHANGE_ORDERS)
        .default("asc")
        .openapi({ description: "asc = oldest first, desc = newest first" }),
      resource: resourceQuery.optional(),
      ...limitQuery,
    }),
  },
  responses: {
    200: answers(changeListResponse, "a page of changes"),
    ...problems("invalid-request", "gone"),
  },
});

export function routeStatus(app: OpenAPIHono<ApiEnv>, status: Loaded<StatusService>): void {
  app.openapi(getStatus, async (c) =>
    c.json(await (await status()).domain(c.get("actor"), c.req.valid("param").name), 200),
  );

  app.openapi(getCertificateStatus, async (c) =>
    c.json(await (await status()).certificate(c.get("actor"), c.req.valid("param").id), 200),
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

  app.openapi(listChanges, async (c) => {
    const { items, unreadable, next } = await (await status()).changes(c.get("actor"), c.req.valid("query"));
    return c.json({ items: items.map(changeView), unreadable, nextCursor: next }, 200);
  });
}

function changeView({ account: _account, record, hosts, revision, at, actor, action, ...others }: LogEntry) {
  const mxHosts = hosts.flatMap(({ host, before, after }) => {
    const certificateBefore = before?.certificateId ?? null;
    const certificateAfter = after?.certificateId ?? null;
    return certificateBefore === certificateAfter ? [] : { host, certificateBefore, certificateAfter };
  });
  const entry = { revision, at, actor, action, mxHosts, ...others };
  // Never PEM: a certificate's key and a trust store's content are named by hash, and the former not even
  // shown.
  switch (record.kind) {
    case "domain":
      return { ...entry, ...named(record.kind, record.id), before: record.before, after: record.after };
    case "certificate": {
      const before = record.before && loggedCertificate(record.before);
      const after = record.after && loggedCertificate(record.after);
      return { ...entry, ...named(record.kind, record.id), before, after };
    }
    case "trust-store":
      return { ...entry, ...named(record.kind, record.id), before: record.before, after: record.after };
    default:
      return record satisfies never;
  }
}

const named = <K extends string>(kind: K, id: string) => ({ kind, resource: { kind, id } });
