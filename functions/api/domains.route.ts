/** Routes of domains and their TLS settings. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { CertificateId } from "../../core/name/ids.ts";
import { domainInput, tlsInput } from "../../core/management/domain-schema.ts";
import type { DomainService } from "../../core/management/domain-service.ts";
import type { Store } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import { etagOf, readCondition } from "./conditions.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import { domainListResponse, domainResponse, tlsResponse } from "./domain-response.ts";
import {
  labelQuery,
  nameParameter,
  pageQuery,
  rawQuery,
  sharedHostsQuery,
  wantedLabels,
} from "./parameters.ts";
import {
  answers,
  answersCreated,
  answersRecord,
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
  readOrRaw,
  takesJson,
  takesPatch,
} from "./route-parts.ts";
import { pageWithinBytes } from "./page-bytes.ts";
import { answerRaw } from "./raw-answer.ts";

const common = { tags: ["domains"] };
const PATH = "/v1/domains/{name}";
const HOST_PROBLEMS = ["shared-host", "host-taken", "unreadable"] as const;
const WRITE_PROBLEMS = [...BODY_PROBLEMS, ...CONDITION_PROBLEMS, ...HOST_PROBLEMS] as const;

const listQuery = z.strictObject({
  ...pageQuery,
  ...labelQuery,
  prefix: z
    .string()
    .regex(
      /^[a-z0-9.-]{1,253}$/,
      "must be the beginning of a name: lower-case letters, digits, dots and hyphens",
    )
    .optional()
    .openapi({ description: "only domains whose name begins with this text" }),
  certificateId: z
    .string()
    .min(1)
    .max(100)
    .transform((text) => text as CertificateId)
    .optional()
    .openapi({ description: "only domains of which an MX host serves this certificate" }),
});

const listDomains = createRoute({
  ...common,
  ...needs("domains:read"),
  operationId: "listDomains",
  method: "get",
  path: "/v1/domains",
  summary: "List domains by name",
  description: "A page of the caller's domains, in order of name.",
  request: { query: listQuery },
  responses: { 200: answers(domainListResponse, "a page of domains"), ...problems("invalid-request") },
});

const getDomain = createRoute({
  ...common,
  ...needs("domains:read"),
  operationId: "getDomain",
  method: "get",
  path: PATH,
  summary: "Read a domain",
  description: "The settings of a domain with its warnings. With raw=true as it is stored, for an operator.",
  request: { params: nameParameter, query: rawQuery, headers: conditionHeaders },
  responses: { ...readOrRaw(domainResponse, "the domain"), ...problems(...READ_PROBLEMS) },
});

const put = takesJson(domainInput);
const putDomain = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "putDomain",
  method: "put",
  path: PATH,
  summary: "Create a domain, or replace it (If-Match)",
  description:
    "Creates the domain, or replaces all of its settings: what is left out takes its default. An existing domain needs If-Match.",
  middleware: put.middleware,
  request: { params: nameParameter, query: sharedHostsQuery, headers: conditionHeaders, body: put.body },
  responses: {
    200: answersRecord(domainResponse, "replaced"),
    201: answersCreated(domainResponse, "created"),
    ...problems(...WRITE_PROBLEMS, "name-taken", "quota-exceeded"),
  },
});

const patch = takesPatch(domainInput, {
  id: "DomainPatch",
  example: { tls: { enforcement: "defer" }, delivery: null },
});
export const domainPatch = patch.schema;
const patchDomain = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "patchDomain",
  method: "patch",
  path: PATH,
  summary: "Change part of a domain (If-Match)",
  description: "Merges the patch into the stored settings and validates the result. Needs If-Match.",
  middleware: patch.middleware,
  request: { params: nameParameter, query: sharedHostsQuery, headers: conditionHeaders, body: patch.body },
  responses: {
    200: answersRecord(domainResponse, "changed"),
    ...problems(...WRITE_PROBLEMS, "not-found"),
  },
});

const deleteDomain = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "deleteDomain",
  method: "delete",
  path: PATH,
  summary: "Delete a domain (If-Match)",
  description:
    "Mail for the domain is refused from then on. Its certificate and trust stores stay. Needs If-Match.",
  request: { params: nameParameter, headers: conditionHeaders },
  responses: {
    204: { description: "deleted" },
    ...problems("invalid-request", "not-found", "unreadable", ...CONDITION_PROBLEMS),
  },
});

const verifyDomain = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "verifyDomain",
  method: "post",
  path: `${PATH}/verify`,
  summary: "Look for the TXT records of pending names now",
  description:
    "Looks up the TXT record of each pending name of the domain. Names whose record has the value are served from then on; the others stay pending. At most once in 10 s for each domain.",
  request: { params: nameParameter, headers: keyHeaders },
  responses: {
    200: mayBeReplayed(answersRecord(domainResponse, "the domain after the check")),
    ...problems("invalid-request", "not-found", "unreadable", "too-many-attempts", ...KEY_PROBLEMS),
  },
});

const confirmDomain = createRoute({
  ...common,
  ...needs("operator"),
  operationId: "confirmDomain",
  method: "post",
  path: `${PATH}/confirm`,
  summary: "Confirm the pending names of an account's domain",
  description:
    "Takes all pending names of the domain as the account's own, without TXT records. The header Postern-Account names the account.",
  request: { params: nameParameter, headers: keyHeaders },
  responses: {
    200: mayBeReplayed(answersRecord(domainResponse, "the domain without pending names")),
    ...problems("invalid-request", "not-found", "unreadable", ...KEY_PROBLEMS),
  },
});

const getTls = createRoute({
  ...common,
  ...needs("domains:read"),
  operationId: "getDomainTls",
  method: "get",
  path: `${PATH}/tls`,
  summary: "Read the TLS settings of a domain",
  description: "The `tls` member of the domain alone, with the ETag of the domain.",
  request: { params: nameParameter, headers: conditionHeaders },
  responses: { ...readOf(tlsResponse, "the settings"), ...problems(...READ_PROBLEMS) },
});

const tlsPut = takesJson(tlsInput);
const putTls = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "putDomainTls",
  method: "put",
  path: `${PATH}/tls`,
  summary: "Replace the TLS settings of a domain (If-Match)",
  description: "Replaces the `tls` member of the domain. Needs If-Match.",
  middleware: tlsPut.middleware,
  request: { params: nameParameter, query: sharedHostsQuery, headers: conditionHeaders, body: tlsPut.body },
  responses: { 200: answersRecord(tlsResponse, "replaced"), ...problems(...WRITE_PROBLEMS, "not-found") },
});

const tlsPatch = takesPatch(tlsInput, { id: "TlsPatch", example: { enforcement: "defer" } });
const patchTls = createRoute({
  ...common,
  ...needs("domains:write"),
  operationId: "patchDomainTls",
  method: "patch",
  path: `${PATH}/tls`,
  summary: "Change part of the TLS settings of a domain (If-Match)",
  description: "Merges the patch into the `tls` member of the domain. Needs If-Match.",
  middleware: tlsPatch.middleware,
  request: { params: nameParameter, query: sharedHostsQuery, headers: conditionHeaders, body: tlsPatch.body },
  responses: { 200: answersRecord(tlsResponse, "changed"), ...problems(...WRITE_PROBLEMS, "not-found") },
});

export type DomainOperations = Pick<DomainService, keyof DomainService>;

/** What createApp loads with the first request that needs it. */
export const DOMAIN_OPERATIONS: Readonly<Record<keyof DomainService, true>> = {
  get: true,
  getTls: true,
  list: true,
  put: true,
  patch: true,
  putTls: true,
  patchTls: true,
  delete: true,
  verify: true,
  confirm: true,
};

export function routeDomains(
  app: OpenAPIHono<ApiEnv>,
  domains: DomainOperations,
  store: Pick<Store, "getRaw">,
): void {
  app.openapi(listDomains, async (c) => {
    const { limit, cursor, prefix, certificateId, label = [] } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["domains", actor.account, prefix, certificateId, ...label];
    const labels = wantedLabels(label);
    const page = { limit, after: decodeCursor(list, cursor) };
    const found = await domains.list(actor, { prefix, certificateId, labels }, page);
    return c.json(
      pageOf(
        list,
        pageWithinBytes(found, ({ name }) => name),
      ),
      200,
    );
  });

  app.openapi(getDomain, async (c) => {
    const { name } = c.req.valid("param");
    if (c.req.valid("query").raw !== undefined) return answerRaw(c, store, { kind: "domain", id: name });
    const domain = await domains.get(c.get("actor"), name);
    return c.json(domain, 200, etagOf(domain));
  });

  app.openapi(putDomain, async (c) => {
    const { name } = c.req.valid("param");
    const target = { actor: c.get("actor"), name };
    const { domain, entry } = await domains.put(target, c.req.valid("json"), optionsOf(c));
    if (entry?.action !== "create") return c.json(domain, 200, etagOf(domain));
    return c.json(domain, 201, { ...etagOf(domain), Location: `/v1/domains/${name}` });
  });

  app.openapi(patchDomain, async (c) => {
    const target = { actor: c.get("actor"), name: c.req.valid("param").name };
    const { domain } = await domains.patch(target, c.req.valid("json"), optionsOf(c));
    return c.json(domain, 200, etagOf(domain));
  });

  app.openapi(deleteDomain, async (c) => {
    const condition = readCondition(c.req);
    await domains.delete({ actor: c.get("actor"), name: c.req.valid("param").name }, condition);
    return c.body(null, 204);
  });
}

export function routeOwnership(app: OpenAPIHono<ApiEnv>, domains: DomainOperations): void {
  app.openapi(verifyDomain, async (c) => {
    const domain = await domains.verify({ actor: c.get("actor"), name: c.req.valid("param").name });
    return c.json(domain, 200, etagOf(domain));
  });

  app.openapi(confirmDomain, async (c) => {
    const domain = await domains.confirm({
      actor: c.get("actor"),
      name: c.req.valid("param").name,
    });
    return c.json(domain, 200, etagOf(domain));
  });
}

export function routeTls(app: OpenAPIHono<ApiEnv>, domains: DomainOperations): void {
  app.openapi(getTls, async (c) => {
    const { tls, revision } = await domains.getTls(c.get("actor"), c.req.valid("param").name);
    return c.json(tls, 200, etagOf({ revision }));
  });

  app.openapi(putTls, async (c) => {
    const target = { actor: c.get("actor"), name: c.req.valid("param").name };
    const { domain } = await domains.putTls(target, c.req.valid("json"), optionsOf(c));
    return c.json(domain.tls, 200, etagOf(domain));
  });

  app.openapi(patchTls, async (c) => {
    const target = { actor: c.get("actor"), name: c.req.valid("param").name };
    const { domain } = await domains.patchTls(target, c.req.valid("json"), optionsOf(c));
    return c.json(domain.tls, 200, etagOf(domain));
  });
}

interface WriteRequest {
  readonly req: {
    valid(target: "query"): { readonly sharedHosts?: "move" | undefined };
    header(name: string): string | undefined;
  };
}

const optionsOf = ({ req }: WriteRequest) => ({
  condition: readCondition(req),
  moveSharedHosts: req.valid("query").sharedHosts === "move",
});
