/** Routes of the change log. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { ChangeListing } from "../../core/management/change-log.ts";
import type { ChangeReverts } from "../../core/management/change-revert.ts";
import type { ChangeService } from "../../core/management/change-service.ts";
import { CHANGE_ORDERS } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import { changeListResponse, revertResponse } from "./change-response.ts";
import { entityTag, readCondition } from "./conditions.ts";
import { NDJSON_TYPE } from "./line-type.ts";
import { type Loaded, loadedOnce } from "./loaded.ts";
import {
  actorQuery,
  changeWaitOf,
  changeWaitQuery,
  limitQuery,
  resourceQuery,
  revisionParameter,
  revisionQuery,
  sharedHostsQuery,
  timeQuery,
} from "./parameters.ts";
import {
  answers,
  CONDITION_PROBLEMS,
  etag,
  KEY_PROBLEMS,
  keyedConditionHeaders,
  mayBeReplayed,
  needs,
  problems,
  textHeader,
} from "./route-parts.ts";

const common = { tags: ["status"] };

const REVERT_CONFLICTS = [
  "changed-since",
  "not-revertible",
  "name-taken",
  "in-use",
  "shared-host",
  "host-taken",
  "unreadable",
] as const;

const listChanges = createRoute({
  ...common,
  ...needs("changes:read"),
  operationId: "listChanges",
  method: "get",
  path: "/v1/changes",
  summary: "Read the change log, oldest or newest first",
  description:
    "Entries of the change log with the record before and after and the difference; never PEM. Entries are kept for 90 days. With `wait` the answer comes as soon as there is an entry. With `Accept: application/x-ndjson` each line is an entry: without `limit` all of them, up to 4 MB, and the header Link leads to the rest.",
  request: {
    query: z.strictObject({
      after: revisionQuery.optional().openapi({
        description:
          "only later revisions: in order asc, nextCursor of the previous page. 410 where entries after it are no longer kept; absent = from the oldest",
      }),
      before: revisionQuery.optional().openapi({
        description:
          "only earlier revisions: in order desc, nextCursor of the previous page. 410 where no entry before it is kept; absent = up to the newest",
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
    200: {
      description: "a page of changes",
      headers: {
        Link: textHeader('of NDJSON: `rel="next"` leads to the entries after these; absent at the end'),
        Vary: textHeader("`Accept`"),
      },
      content: {
        ...answers(changeListResponse, "").content,
        [NDJSON_TYPE]: { schema: z.string() },
      },
    },
    ...problems("invalid-request", "gone", "rule-violation"),
  },
});

const revertChange = createRoute({
  ...common,
  ...needs("changes:read"),
  operationId: "revertChange",
  method: "post",
  path: "/v1/changes/{revision}/revert",
  summary: "Write a record back as it was before a change",
  description:
    "Writes `before` as a new change, under the present rules: a record that the change created is deleted, one that it deleted is created again. Also needs the scope that writes the record. Without If-Match and If-None-Match, 409 `changed-since` unless the record is as the change left it. Keys and versions of certificates do not come back: 409 `not-revertible`.",
  request: { params: revisionParameter, query: sharedHostsQuery, headers: keyedConditionHeaders },
  responses: {
    200: mayBeReplayed({ ...answers(revertResponse, "reverted"), headers: etag }),
    ...problems(
      "invalid-request",
      "not-found",
      "gone",
      "too-large",
      ...REVERT_CONFLICTS,
      ...CONDITION_PROBLEMS,
      ...KEY_PROBLEMS,
      "rule-violation",
    ),
  },
});

/** The client chooses the form. */
const VARY = { Vary: "Accept" };

const views = loadedOnce(() => import("./change-view.ts"));

export function routeChanges(
  app: OpenAPIHono<ApiEnv>,
  changes: Loaded<ChangeService>,
  reverts: Loaded<ChangeReverts>,
): void {
  app.openapi(listChanges, async (c) => {
    const listing = c.req.valid("query");
    const wait = changeWaitOf(listing, c.get("waiter"));
    const service = await changes();
    const { changeLines, changePage, nextLink, wantsLines } = await views();
    const read = (each: ChangeListing) => service.list(c.get("actor"), each);
    const page = wait === null ? null : await service.follow(c.get("actor"), listing, wait);
    if (wantsLines(c)) {
      const isWhole = page === null && c.req.query("limit") === undefined;
      const { text, next } = await changeLines(page ?? read, { ...listing, isWhole });
      const link = next === null ? {} : { Link: nextLink(c.req.url, listing.order, next) };
      // The types of routes know one form for each status.
      return c.newResponse(text, 200, { "Content-Type": NDJSON_TYPE, ...VARY, ...link }) as never;
    }
    return c.json(changePage(page ?? (await read(listing)), listing.order), 200, VARY);
  });

  app.openapi(revertChange, async (c) => {
    const options = {
      condition: readCondition(c.req),
      moveSharedHosts: c.req.valid("query").sharedHosts === "move",
    };
    const { revision } = c.req.valid("param");
    const entry = await (await reverts()).revert(c.get("actor"), revision, options);
    const { changeView } = await views();
    if (entry !== null && entry.record.after !== null) c.header("ETag", entityTag(entry.revision));
    return c.json({ change: entry && changeView(entry) }, 200);
  });
}
