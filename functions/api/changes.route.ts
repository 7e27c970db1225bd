/** Routes of the change log. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { loggedCertificate } from "../../core/management/certificate-view.ts";
import { CHANGE_ORDERS } from "../../core/management/change-log.ts";
import type { ChangeService } from "../../core/management/change-service.ts";
import type { LogEntry } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import { changeListResponse } from "./change-response.ts";
import { type Loaded, loadedOnce } from "./loaded.ts";
import {
  actorQuery,
  changeWaitOf,
  changeWaitQuery,
  limitQuery,
  resourceQuery,
  revisionQuery,
  timeQuery,
} from "./parameters.ts";
import { answers, needs, problems } from "./route-parts.ts";

const common = { tags: ["status"] };

const listChanges = createRoute({
  ...common,
  ...needs("changes:read"),
  operationId: "listChanges",
  method: "get",
  path: "/v1/changes",
  summary: "Read the change log, oldest or newest first",
  description:
    "Entries of the change log with the record before and after and the difference; never PEM. Entries are kept for 90 days. With wait, as soon as there is an entry.",
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
      actor: actorQuery.optional(),
      from: timeQuery.optional().openapi({ description: "only entries at or after this time" }),
      to: timeQuery.optional().openapi({ description: "only entries before this time" }),
      wait: changeWaitQuery.optional(),
      ...limitQuery,
    }),
  },
  responses: {
    200: answers(changeListResponse, "a page of changes"),
    ...problems("invalid-request", "gone", "rule-violation"),
  },
});

const differences = loadedOnce(() => import("../../core/management/json-diff.ts"));

export function routeChanges(app: OpenAPIHono<ApiEnv>, changes: Loaded<ChangeService>): void {
  app.openapi(listChanges, async (c) => {
    const listing = c.req.valid("query");
    const wait = changeWaitOf(listing, c.env);
    const service = await changes();
    const { items, unreadable, next } =
      wait === null
        ? await service.list(c.get("actor"), listing)
        : await service.follow(c.get("actor"), listing, wait);
    const { jsonDiff } = await differences();
    const shown = items.map(changeView).map((each) => ({ ...each, diff: jsonDiff(each.before, each.after) }));
    return c.json({ items: shown, unreadable, nextCursor: next }, 200);
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
