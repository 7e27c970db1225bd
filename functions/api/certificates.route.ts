/** Routes of certificates. */

import { CERTIFICATE_STATES } from "../../core/management/expiry.ts";
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { certificateDocument, certificateInput } from "../../core/management/certificate-input.ts";
import type { CertificateService } from "../../core/management/certificate-service.ts";
import type { Store } from "../../core/store/store.ts";
import type { ApiEnv } from "./api-env.ts";
import type { Loaded } from "./loaded.ts";
import { certificateListResponse, certificateResponse } from "./certificate-response.ts";
import { etagOf, readCondition } from "./conditions.ts";
import { decodeCursor, pageOf } from "./cursor.ts";
import {
  idParameter,
  labelQuery,
  pageQuery,
  rawQuery,
  replaceWithQuery,
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
  readOrRaw,
  takesJson,
  takesPatch,
} from "./route-parts.ts";
import { pageWithinBytes } from "./page-bytes.ts";
import { answerRaw } from "./raw-answer.ts";

const common = { tags: ["certificates"] };
const PATH = "/v1/certificates/{id}";

const post = takesJson(certificateInput);
const postCertificate = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "createCertificate",
  method: "post",
  path: "/v1/certificates",
  summary: "Create a certificate: self-signed, uploaded, for a signing request, or ordered from a CA",
  description:
    "A certificate takes effect once the MX hosts of a domain name it in `tls.server.certificateId`.",
  middleware: post.middleware,
  request: { headers: keyHeaders, body: post.body },
  responses: {
    201: mayBeReplayed(answersCreated(certificateResponse, "created")),
    ...problems("quota-exceeded", "unreadable", ...BODY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const stateQuery = z.enum(CERTIFICATE_STATES).openapi({ description: "only certificates in this state" });

const listCertificates = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "listCertificates",
  method: "get",
  path: "/v1/certificates",
  summary: "List certificates by age",
  description:
    "A page of the caller's certificates, oldest first. It may be short or empty while nextCursor is set.",
  request: {
    query: z.strictObject({ ...pageQuery, ...labelQuery, state: stateQuery.optional() }),
  },
  responses: {
    200: answers(certificateListResponse, "a page of certificates"),
    ...problems("invalid-request"),
  },
});

const getCertificate = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "getCertificate",
  method: "get",
  path: PATH,
  summary: "Read a certificate",
  description:
    "The certificate with its state and its users, without key material. With raw=true as it is stored, for an operator.",
  request: { params: idParameter, query: rawQuery, headers: conditionHeaders },
  responses: { ...readOrRaw(certificateResponse, "the certificate"), ...problems(...READ_PROBLEMS) },
});

const patch = takesPatch(certificateDocument, { id: "CertificatePatch", example: { label: "mx1" } });
const patchCertificate = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "patchCertificate",
  method: "patch",
  path: PATH,
  summary: "Change label, labels, or whether a renewal keeps the key (If-Match)",
  description:
    "Only `label`, `labels` and `renewal.key` can be changed; other members may be sent back as read. Needs If-Match.",
  middleware: patch.middleware,
  request: { params: idParameter, headers: conditionHeaders, body: patch.body },
  responses: {
    200: answersRecord(certificateResponse, "changed"),
    ...problems("not-found", "unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS),
  },
});

const deleteCertificate = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "deleteCertificate",
  method: "delete",
  path: PATH,
  summary: "Delete a certificate, or replace it by another (If-Match)",
  description:
    "Deletes a certificate that no MX host serves, or moves its MX hosts to the certificate `replaceWith` in the same change. Its keys are removed later. Needs If-Match.",
  request: { params: idParameter, query: replaceWithQuery, headers: conditionHeaders },
  responses: {
    204: { description: "deleted" },
    ...problems(
      "invalid-request",
      "not-found",
      "unreadable",
      "in-use",
      "host-taken",
      "rule-violation",
      ...CONDITION_PROBLEMS,
    ),
  },
});

export function routeCertificates(
  app: OpenAPIHono<ApiEnv>,
  certificates: Loaded<CertificateService>,
  store: Pick<Store, "getRaw">,
): void {
  app.openapi(postCertificate, async (c) => {
    const certificate = await (await certificates()).create(c.get("actor"), c.req.valid("json"));
    return c.json(certificate, 201, {
      ...etagOf(certificate),
      Location: `/v1/certificates/${certificate.id}`,
    });
  });

  app.openapi(listCertificates, async (c) => {
    const { limit, cursor, state, label = [] } = c.req.valid("query");
    const actor = c.get("actor");
    const list = ["certificates", actor.account, state, ...label];
    const listing = { state, labels: wantedLabels(label) };
    const page = { limit, after: decodeCursor(list, cursor) };
    const found = await (await certificates()).list(actor, listing, page);
    return c.json(
      pageOf(
        list,
        pageWithinBytes(found, ({ id }) => id),
      ),
      200,
    );
  });

  app.openapi(getCertificate, async (c) => {
    const { id } = c.req.valid("param");
    if (c.req.valid("query").raw !== undefined) return answerRaw(c, store, { kind: "certificate", id });
    const certificate = await (await certificates()).get(c.get("actor"), id);
    return c.json(certificate, 200, etagOf(certificate));
  });
}

export function routeCertificateChanges(
  app: OpenAPIHono<ApiEnv>,
  certificates: Loaded<CertificateService>,
): void {
  app.openapi(patchCertificate, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await certificates()).patch(target, c.req.valid("json"), condition);
    return c.json(certificate, 200, etagOf(certificate));
  });

  app.openapi(deleteCertificate, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    await (await certificates()).delete(target, condition, c.req.valid("query").replaceWith);
    return c.body(null, 204);
  });
}
