/** Routes of the caller and of tokens. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { type Caller, knownScopes } from "../../core/access/scope.ts";
import { tokenInput } from "../../core/management/access-input.ts";
import type { TokenService } from "../../core/management/token-service.ts";
import { callerResponse, tokenListResponse, tokenMadeResponse, tokenResponse } from "./access-response.ts";
import type { ApiEnv } from "./api-env.ts";
import { accessChange, type ApiLog } from "./api-log.ts";
import { etagOf, readCondition } from "./conditions.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import { IDEMPOTENCY_KEY, requireUnguessableKey } from "./idempotency-key.ts";
import type { Loaded } from "./loaded.ts";
import { idParameter, pageQuery } from "./parameters.ts";
import {
  answers,
  answersCreated,
  BODY_PROBLEMS,
  CONDITION_PROBLEMS,
  conditionHeaders,
  KEY_PROBLEMS,
  keyHeaders,
  mayBeReplayed,
  needs,
  problems,
  READ_PROBLEMS,
  readOf,
  takesJson,
} from "./route-parts.ts";

const common = { tags: ["access"] };
const PATH = "/v1/tokens/{id}";

const whoami = createRoute({
  ...common,
  ...needs(null),
  operationId: "getCaller",
  method: "get",
  path: "/v1/whoami",
  summary: "Read who the caller is and what it may do",
  description: "The account, the scopes and the kind of the credentials that the request was made with.",
  request: { query: z.strictObject({}) },
  responses: { 200: answers(callerResponse, "the caller"), ...problems("invalid-request") },
});

const post = takesJson(tokenInput);
const postToken = createRoute({
  ...common,
  ...needs("tokens:write"),
  operationId: "createToken",
  method: "post",
  path: "/v1/tokens",
  summary: "Create a token, shown in this answer alone",
  description:
    "The answer holds the bearer token; only its hash is stored, and under an Idempotency-Key the answer, sealed by that key. A caller gives no scope that it lacks: 403 names it.",
  middleware: post.middleware,
  request: { headers: keyHeaders, body: post.body },
  responses: {
    201: mayBeReplayed(answersCreated(tokenMadeResponse, "made")),
    ...problems("quota-exceeded", "unreadable", ...BODY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const listTokens = createRoute({
  ...common,
  ...needs("tokens:write"),
  operationId: "listTokens",
  method: "get",
  path: "/v1/tokens",
  summary: "List tokens by age, without their secrets",
  description: "A page of the tokens of the account, oldest first.",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: answers(tokenListResponse, "a page of tokens"), ...problems("invalid-request") },
});

const getToken = createRoute({
  ...common,
  ...needs("tokens:write"),
  operationId: "getToken",
  method: "get",
  path: PATH,
  summary: "Read a token, without its secret",
  description: "What the token may do, when it ends, and when it was last used, to the hour.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: { ...readOf(tokenResponse, "the token"), ...problems(...READ_PROBLEMS) },
});

const deleteToken = createRoute({
  ...common,
  ...needs("tokens:write"),
  operationId: "deleteToken",
  method: "delete",
  path: PATH,
  summary: "Revoke a token (If-Match)",
  description:
    "No request is accepted with it from then on. A token may delete itself. Tokens that it has made stay. Needs If-Match.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: {
    204: { description: "revoked" },
    ...problems("invalid-request", "not-found", "unreadable", ...CONDITION_PROBLEMS),
  },
});

/** Callers by a token of the API have a secret beside the key that seals the answer. */
function requireSealingKey({ kind }: Caller, key: string | undefined): void {
  if (kind === "iam" || kind === "jwt") requireUnguessableKey(key);
}

/** Scopes of a later release give nothing here, and a document with them could not be sent back. */
export const shownScopes = <R extends { readonly scopes: readonly string[] }>(record: R) => ({
  ...record,
  scopes: [...knownScopes(record.scopes)],
});

export function routeCaller(app: OpenAPIHono<ApiEnv>): void {
  app.openapi(whoami, (c) => {
    const { account, name, kind, id, scopes, expiresAt } = c.get("actor");
    const homeAccount = c.get("homeAccount");
    return c.json({ account, homeAccount, name, kind, id, scopes: [...scopes], expiresAt }, 200);
  });
}

export function routeTokens(app: OpenAPIHono<ApiEnv>, tokens: Loaded<TokenService>, log: ApiLog): void {
  app.openapi(postToken, async (c) => {
    requireSealingKey(c.get("actor"), c.req.header(IDEMPOTENCY_KEY));
    const made = await (await tokens()).create(c.get("actor"), c.req.valid("json"));
    log(accessChange(c, { action: "create", resource: `token/${made.id}`, of: made }));
    return c.json(shownScopes(made), 201, { ...etagOf(made), Location: `/v1/tokens/${made.id}` });
  });

  app.openapi(listTokens, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["tokens", actor.account];
    const page = await (await tokens()).list(actor, { limit, after: decodeCursor(list, cursor) });
    return c.json(pageOf(list, { ...page, items: page.items.map((each) => shownScopes(each)) }), 200);
  });

  app.openapi(getToken, async (c) => {
    const token = await (await tokens()).get(c.get("actor"), c.req.valid("param").id);
    return c.json(shownScopes(token), 200, etagOf(token));
  });

  app.openapi(deleteToken, async (c) => {
    const condition = readCondition(c.req);
    const { id } = c.req.valid("param");
    const deleted = await (await tokens()).delete(c.get("actor"), id, condition);
    log(accessChange(c, { action: "delete", resource: `token/${id}`, of: deleted }));
    return c.body(null, 204);
  });
}
