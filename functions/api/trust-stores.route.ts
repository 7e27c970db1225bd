/** Routes of trust stores. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import {
  restoreInput,
  trustStoreDocument,
  trustStoreInput,
} from "../../core/management/certificate-input.ts";
import type { TrustStoreService } from "../../core/management/trust-store-service.ts";
import type { Store } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import type { Loaded } from "./loaded.ts";
import { trustStoreListResponse, trustStoreResponse } from "./certificate-response.ts";
import { etagOf, readCondition } from "./conditions.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import { idParameter, labelQuery, pageQuery, rawQuery, wantedLabels } from "./parameters.ts";
import {
  answers,
  answersCreated,
  answersRecord,
  BODY_PROBLEMS,
  CONDITION_PROBLEMS,
  conditionHeaders,
  KEY_PROBLEMS,
  keyedConditionHeaders,
  keyHeaders,
  mayBeReplayed,
  needs,
  problems,
  READ_PROBLEMS,
  readOrRaw,
  takesJson,
} from "./route-parts.ts";
import { pageWithinBytes } from "./page-bytes.ts";
import { answerRaw } from "./raw-answer.ts";

const common = { tags: ["trust stores"] };
const PATH = "/v1/trust-stores/{id}";

const post = takesJson(trustStoreInput);
const postTrustStore = createRoute({
  ...common,
  ...needs("trust-stores:write"),
  operationId: "createTrustStore",
  method: "post",
  path: "/v1/trust-stores",
  summary: "Create a trust store",
  description: "CAs that may vouch for clients, with their CRLs. It takes effect once a domain names it.",
  middleware: post.middleware,
  request: { headers: keyHeaders, body: post.body },
  responses: {
    201: mayBeReplayed(answersCreated(trustStoreResponse, "created")),
    ...problems("quota-exceeded", "unreadable", ...BODY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const listTrustStores = createRoute({
  ...common,
  ...needs("trust-stores:read"),
  operationId: "listTrustStores",
  method: "get",
  path: "/v1/trust-stores",
  summary: "List trust stores by age, without their PEM",
  description: "A page of the caller's trust stores, oldest first.",
  request: { query: z.strictObject({ ...pageQuery, ...labelQuery }) },
  responses: {
    200: answers(trustStoreListResponse, "a page of trust stores"),
    ...problems("invalid-request"),
  },
});

const getTrustStore = createRoute({
  ...common,
  ...needs("trust-stores:read"),
  operationId: "getTrustStore",
  method: "get",
  path: PATH,
  summary: "Read a trust store",
  description:
    "The trust store with its PEM and its users. With raw=true its record as it is stored, for an operator.",
  request: { params: idParameter, query: rawQuery, headers: conditionHeaders },
  responses: { ...readOrRaw(trustStoreResponse, "the trust store"), ...problems(...READ_PROBLEMS) },
});

const put = takesJson(trustStoreDocument);
const putTrustStore = createRoute({
  ...common,
  ...needs("trust-stores:write"),
  operationId: "putTrustStore",
  method: "put",
  path: PATH,
  summary: "Replace a trust store (If-Match)",
  description: "Replaces label, labels, certificates and CRLs. Needs If-Match.",
  middleware: put.middleware,
  request: { params: idParameter, headers: conditionHeaders, body: put.body },
  responses: {
    200: answersRecord(trustStoreResponse, "replaced"),
    ...problems("not-found", "unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS),
  },
});

const deleteTrustStore = createRoute({
  ...common,
  ...needs("trust-stores:write"),
  operationId: "deleteTrustStore",
  method: "delete",
  path: PATH,
  summary: "Delete a trust store that no domain names (If-Match)",
  description: "Deletes a trust store that no domain names. Needs If-Match.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: {
    204: { description: "deleted" },
    ...problems("invalid-request", "not-found", "unreadable", "in-use", ...CONDITION_PROBLEMS),
  },
});

const restore = takesJson(restoreInput);
const restoreTrustStore = createRoute({
  ...common,
  ...needs("trust-stores:write"),
  operationId: "restoreTrustStore",
  method: "post",
  path: `${PATH}/restore`,
  summary: "Bring an earlier content of a trust store back (If-Match)",
  description:
    "Replaces certificates and CRLs by those that the trust store had at a revision of `previous`. It is judged, logged and undone as a PUT is. 410 where that content is not kept. Needs If-Match.",
  middleware: restore.middleware,
  request: { params: idParameter, headers: keyedConditionHeaders, body: restore.body },
  responses: {
    200: mayBeReplayed(answersRecord(trustStoreResponse, "restored")),
    ...problems("not-found", "gone", "unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS, ...KEY_PROBLEMS),
  },
});

export function routeTrustStores(
  app: OpenAPIHono<ApiEnv>,
  trustStores: Loaded<TrustStoreService>,
  store: Pick<Store, "getRaw">,
): void {
  app.openapi(postTrustStore, async (c) => {
    const { trustStore } = await (await trustStores()).create(c.get("actor"), c.req.valid("json"));
    return c.json(trustStore, 201, { ...etagOf(trustStore), Location: `/v1/trust-stores/${trustStore.id}` });
  });

  app.openapi(listTrustStores, async (c) => {
    const { limit, cursor, label = [] } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["trust-stores", actor.account, ...label];
    const page = { limit, after: decodeCursor(list, cursor) };
    const found = await (await trustStores()).list(actor, wantedLabels(label), page);
    return c.json(
      pageOf(
        list,
        pageWithinBytes(found, ({ id }) => id),
      ),
      200,
    );
  });

  app.openapi(getTrustStore, async (c) => {
    const { id } = c.req.valid("param");
    if (c.req.valid("query").raw !== undefined) return answerRaw(c, store, { kind: "trust-store", id });
    const trustStore = await (await trustStores()).get(c.get("actor"), id);
    return c.json(trustStore, 200, etagOf(trustStore));
  });

  app.openapi(putTrustStore, async (c) => {
    const condition = readCondition(c.req);
    const { label, labels, certificatesPem, crlPem } = c.req.valid("json");
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const { trustStore } = await (await trustStores()).put(
      target,
      { label, labels, certificatesPem, crlPem },
      condition,
    );
    return c.json(trustStore, 200, etagOf(trustStore));
  });

  app.openapi(restoreTrustStore, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const trustStore = await (await trustStores()).restore(target, c.req.valid("json").revision, condition);
    return c.json(trustStore, 200, etagOf(trustStore));
  });

  app.openapi(deleteTrustStore, async (c) => {
    const condition = readCondition(c.req);
    await (await trustStores()).delete({ actor: c.get("actor"), id: c.req.valid("param").id }, condition);
    return c.body(null, 204);
  });
}
