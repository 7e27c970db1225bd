/** Routes of the change log. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { CHANGE_ORDERS } from "../../core/management/change-log.ts";
import type { ChangeService } from "../../core/management/change-service.ts";
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

const views = loadedOnce(() => import("./change-view.ts"));

export function routeChanges(app: OpenAPIHono<ApiEnv>, changes: Loaded<ChangeService>): void {
  app.openapi(listChanges, async (c) => {
    const listing = c.req.valid("query");
    const wait = changeWaitOf(listing, c.env);
    const service = await changes();
    const { items, unreadable, next } =
      wait === null
        ? await service.list(c.get("actor"), listing)
        : await service.follow(c.get("actor"), listing, wait);
    const { changeView } = await views();
    return c.json({ items: items.map(changeView), unreadable, nextCursor: next }, 200);
  });
}
