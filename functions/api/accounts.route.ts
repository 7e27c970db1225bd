/** Routes of accounts and of IAM principals. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { MAX_ARN, PRINCIPAL_ARN_PATTERN } from "../../core/access/principal-arn.ts";
import { accountDocument, accountName, principalDocument } from "../../core/management/access-input.ts";
import type { AccountService } from "../../core/management/account-service.ts";
import type { PrincipalService } from "../../core/management/principal-service.ts";
import { InvalidInput } from "../../core/errors.ts";
import {
  accountListResponse,
  accountResponse,
  principalListResponse,
  principalResponse,
} from "./access-response.ts";
import type { ApiEnv } from "./api-env.ts";
import { accessChange, type ApiLog } from "./api-log.ts";
import { etagOf, readCondition } from "./conditions.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import type { Loaded } from "./loaded.ts";
import { pageQuery } from "./parameters.ts";
import {
  answers,
  answersCreated,
  answersRecord,
  BODY_PROBLEMS,
  CONDITION_PROBLEMS,
  conditionHeaders,
  needs,
  problems,
  READ_PROBLEMS,
  readOf,
  takesJson,
} from "./route-parts.ts";
import { shownScopes } from "./tokens.route.ts";

const common = { tags: ["access"], ...needs("accounts:write") };
const ACCOUNT = "/v1/accounts/{account}";
const PRINCIPAL = "/v1/principals/{arn}";
const accountParameter = z.object({
  account: accountName.meta({ description: "name of the account" }),
});
const arnParameter = z.object({
  arn: z.string().min(1).max(MAX_ARN).openapi({
    description: "ARN of a role, user, root user or federated user, URL-encoded",
    pattern: PRINCIPAL_ARN_PATTERN,
    example: "arn:aws:iam::123456789012:role/deploy",
  }),
});

const listAccounts = createRoute({
  ...common,
  operationId: "listAccounts",
  method: "get",
  path: "/v1/accounts",
  summary: "List accounts by name",
  description: "A page of the accounts; a caller of another account than the operator's sees its own.",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: answers(accountListResponse, "a page of accounts"), ...problems("invalid-request") },
});

const getAccount = createRoute({
  ...common,
  operationId: "getAccount",
  method: "get",
  path: ACCOUNT,
  summary: "Read an account",
  description: "Label and quotas of the account. The account default always exists.",
  request: { params: accountParameter, headers: conditionHeaders },
  responses: { ...readOf(accountResponse, "the account"), ...problems(...READ_PROBLEMS) },
});

const accountPut = takesJson(accountDocument);
const putAccount = createRoute({
  ...common,
  operationId: "putAccount",
  method: "put",
  path: ACCOUNT,
  summary: "Create an account, or replace it (If-Match)",
  description:
    "Callers of the operator's account create accounts and set quotas; others change the label of their own. An existing account needs If-Match.",
  middleware: accountPut.middleware,
  request: { params: accountParameter, headers: conditionHeaders, body: accountPut.body },
  responses: {
    200: answersRecord(accountResponse, "replaced"),
    201: answersCreated(accountResponse, "created"),
    ...problems("unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS),
  },
});

const deleteAccount = createRoute({
  ...common,
  operationId: "deleteAccount",
  method: "delete",
  path: ACCOUNT,
  summary: "Delete an empty account (If-Match)",
  description:
    "Only callers of the operator's account, and only an account without domains, certificates, trust stores, tokens and principals. Needs If-Match.",
  request: { params: accountParameter, headers: conditionHeaders },
  responses: {
    204: { description: "deleted" },
    ...problems("invalid-request", "not-found", "unreadable", "in-use", ...CONDITION_PROBLEMS),
  },
});

const listPrincipals = createRoute({
  ...common,
  operationId: "listPrincipals",
  method: "get",
  path: "/v1/principals",
  summary: "List principals by ARN",
  description: "A page of the principals of the account.",
  request: { query: z.strictObject(pageQuery) },
  responses: { 200: answers(principalListResponse, "a page of principals"), ...problems("invalid-request") },
});

const getPrincipal = createRoute({
  ...common,
  operationId: "getPrincipal",
  method: "get",
  path: PRINCIPAL,
  summary: "Read a principal",
  description: "What the IAM principal may do. The ARN of an assumed role is that of its role.",
  request: { params: arnParameter, headers: conditionHeaders },
  responses: { ...readOf(principalResponse, "the principal"), ...problems(...READ_PROBLEMS) },
});

const principalPut = takesJson(principalDocument);
const putPrincipal = createRoute({
  ...common,
  operationId: "putPrincipal",
  method: "put",
  path: PRINCIPAL,
  summary: "Give an IAM principal scopes in an account (If-Match)",
  description:
    "Creates the record of the principal, or replaces it. Needs the scope operator as well where API_DEFAULT_ACCESS is operator. An existing record needs If-Match.",
  middleware: principalPut.middleware,
  request: { params: arnParameter, headers: conditionHeaders, body: principalPut.body },
  responses: {
    200: answersRecord(principalResponse, "replaced"),
    201: answersCreated(principalResponse, "created"),
    ...problems("unreadable", "name-taken", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS),
  },
});

const deletePrincipal = createRoute({
  ...common,
  operationId: "deletePrincipal",
  method: "delete",
  path: PRINCIPAL,
  summary: "Delete the record of a principal (If-Match)",
  description:
    "The principal then has what API_DEFAULT_ACCESS gives: where that is operator, only an operator deletes records. Needs If-Match.",
  request: { params: arnParameter, headers: conditionHeaders },
  responses: {
    204: { description: "deleted" },
    ...problems("invalid-request", "not-found", "unreadable", ...CONDITION_PROBLEMS),
  },
});

export function routeAccounts(app: OpenAPIHono<ApiEnv>, accounts: Loaded<AccountService>, log: ApiLog): void {
  app.openapi(listAccounts, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["accounts", actor.account];
    const page = { limit, after: decodeCursor(list, cursor) };
    return c.json(pageOf(list, await (await accounts()).list(actor, page)), 200);
  });

  app.openapi(getAccount, async (c) => {
    const account = await (await accounts()).get(c.get("actor"), c.req.valid("param").account);
    return c.json(account, 200, etagOf(account));
  });

  app.openapi(putAccount, async (c) => {
    const condition = readCondition(c.req);
    const { account: name } = c.req.valid("param");
    const document = c.req.valid("json");
    if (document.name !== undefined && document.name !== name) throw nameDiffers();
    const target = { caller: c.get("actor"), name };
    const { record, action } = await (await accounts()).put(target, document, condition);
    if (action !== "unchanged") log(accessChange(c, { action, resource: `account/${name}` }));
    if (action !== "create") return c.json(record, 200, etagOf(record));
    return c.json(record, 201, { ...etagOf(record), Location: `/v1/accounts/${name}` });
  });

  app.openapi(deleteAccount, async (c) => {
    const condition = readCondition(c.req);
    const { account: name } = c.req.valid("param");
    await (await accounts()).delete(c.get("actor"), name, condition);
    log(accessChange(c, { action: "delete", resource: `account/${name}` }));
    return c.body(null, 204);
  });
}

export function routePrincipals(
  app: OpenAPIHono<ApiEnv>,
  principals: Loaded<PrincipalService>,
  log: ApiLog,
): void {
  app.openapi(listPrincipals, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["principals", actor.account];
    const page = await (await principals()).list(actor, { limit, after: decodeCursor(list, cursor) });
    return c.json(pageOf(list, { ...page, items: page.items.map((each) => shownScopes(each)) }), 200);
  });

  app.openapi(getPrincipal, async (c) => {
    const principal = await (await principals()).get(c.get("actor"), c.req.valid("param").arn);
    return c.json(shownScopes(principal), 200, etagOf(principal));
  });

  app.openapi(putPrincipal, async (c) => {
    const condition = readCondition(c.req);
    const target = { caller: c.get("actor"), arn: c.req.valid("param").arn };
    const { record, action } = await (await principals()).put(target, c.req.valid("json"), condition);
    const { arn } = record;
    if (action !== "unchanged") log(accessChange(c, { action, resource: `principal/${arn}`, of: record }));
    if (action !== "create") return c.json(shownScopes(record), 200, etagOf(record));
    const location = { Location: `/v1/principals/${encodeURIComponent(arn)}` };
    return c.json(shownScopes(record), 201, { ...etagOf(record), ...location });
  });

  app.openapi(deletePrincipal, async (c) => {
    const condition = readCondition(c.req);
    const deleted = await (await principals()).delete(c.get("actor"), c.req.valid("param").arn, condition);
    log(accessChange(c, { action: "delete", resource: `principal/${deleted.arn}`, of: deleted }));
    return c.body(null, 204);
  });
}

const nameDiffers = (): InvalidInput => {
  const message = "must be the name in the path, or be left out";
  return new InvalidInput("The body is not valid.", [{ pointer: "/name", code: "name-differs", message }]);
};
