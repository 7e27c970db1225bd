/** Routes of a certificate's versions and keys. */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { materialInput, rollbackInput } from "../../core/management/certificate-input.ts";
import type { CertificateKeys } from "../../core/management/certificate-keys.ts";
import type { CertificateVersions } from "../../core/management/certificate-versions.ts";
import type { ApiEnv } from "./api-env.ts";
import { certificateResponse, versionListResponse } from "./certificate-response.ts";
import { etagOf, readCondition } from "./conditions.ts";
import type { Loaded } from "./loaded.ts";
import { idParameter } from "./parameters.ts";
import {
  answersRecord,
  BODY_PROBLEMS,
  CONDITION_PROBLEMS,
  conditionHeaders,
  etag,
  KEY_PROBLEMS,
  keyedConditionHeaders,
  mayBeReplayed,
  needs,
  problems,
  READ_PROBLEMS,
  readOf,
  takesJson,
} from "./route-parts.ts";

const common = { tags: ["certificates"] };
const PATH = "/v1/certificates/{id}";
/** RFC 8555 section 9.1. */
const CHAIN_TYPE = "application/pem-certificate-chain";
/** No type is registered for PKCS #10 as PEM: RFC 5967 has it for DER. */
const REQUEST_TYPE = "application/x-pem-file";

const material = takesJson(materialInput);
const putMaterial = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "putCertificateMaterial",
  method: "put",
  path: `${PATH}/material`,
  summary: "Put a new version of the certificate into service (If-Match)",
  description:
    "A renewed certificate, with its key unless the present one stays in use. Edges serve it within a poll interval. Needs If-Match.",
  middleware: material.middleware,
  request: { params: idParameter, headers: conditionHeaders, body: material.body },
  responses: {
    200: answersRecord(certificateResponse, "the certificate with its new version"),
    ...problems("not-found", "unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS),
  },
});

const getChain = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "getCertificateChain",
  method: "get",
  path: `${PATH}/chain.pem`,
  summary: "Read leaf and intermediates, never the key",
  description: "The leaf and intermediates of each key as PEM (RFC 8555 section 9.1).",
  request: { params: idParameter, headers: conditionHeaders },
  responses: {
    200: {
      description: "the chain of each key",
      headers: etag,
      content: { [CHAIN_TYPE]: { schema: z.string() } },
    },
    304: { description: "not modified: the record is at a revision of If-None-Match", headers: etag },
    ...problems(...READ_PROBLEMS),
  },
});

const getRequests = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "getCertificateRequests",
  method: "get",
  path: `${PATH}/csr.pem`,
  summary: "Read the signing requests",
  description:
    "The signing request (PKCS #10) of each key as PEM, for a CA; 404 where the source is not request.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: {
    200: {
      description: "the signing request of each key",
      headers: etag,
      content: { [REQUEST_TYPE]: { schema: z.string() } },
    },
    304: { description: "not modified: the record is at a revision of If-None-Match", headers: etag },
    ...problems(...READ_PROBLEMS),
  },
});

const listVersions = createRoute({
  ...common,
  ...needs("certificates:read"),
  operationId: "listCertificateVersions",
  method: "get",
  path: `${PATH}/versions`,
  summary: "List the versions of a certificate",
  description:
    "The version in service first, then the retired ones, the latest first, each with the keys of its slots. The keys of a retired version are kept for 30 days.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: { ...readOf(versionListResponse, "its versions"), ...problems(...READ_PROBLEMS) },
});

const back = takesJson(rollbackInput);
const rollback = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "rollBackCertificate",
  method: "post",
  path: `${PATH}/rollback`,
  summary: "Put a retired version into service again (If-Match)",
  description:
    "The version must still be valid and cover every MX host that uses the certificate. Edges serve it within a poll interval. Needs If-Match.",
  middleware: back.middleware,
  request: { params: idParameter, headers: keyedConditionHeaders, body: back.body },
  responses: {
    200: mayBeReplayed(answersRecord(certificateResponse, "the certificate with this version in service")),
    ...problems("not-found", "unreadable", ...BODY_PROBLEMS, ...CONDITION_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const NEXT_KEY_PROBLEMS = [
  "invalid-request",
  "not-found",
  "unreadable",
  "rule-violation",
  ...CONDITION_PROBLEMS,
] as const;

const makeNextKey = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "makeNextCertificateKey",
  method: "post",
  path: `${PATH}/next-key`,
  summary: "Make the next key of each slot, to be announced before the switch (If-Match)",
  description:
    "For the sources self-signed, request and acme. The answer shows the keys in `nextKeys`, with TLSA data and pin. Existing next keys stay. Needs If-Match.",
  request: { params: idParameter, headers: keyedConditionHeaders },
  responses: {
    200: mayBeReplayed(answersRecord(certificateResponse, "the certificate with its next keys")),
    ...problems(...NEXT_KEY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const discardNextKey = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "discardNextCertificateKey",
  method: "delete",
  path: `${PATH}/next-key`,
  summary: "Discard the next keys (If-Match)",
  description:
    "Removes next keys whose switch was not requested; their private keys are deleted later. Needs If-Match.",
  request: { params: idParameter, headers: conditionHeaders },
  responses: {
    200: answersRecord(certificateResponse, "the certificate without them"),
    ...problems(...NEXT_KEY_PROBLEMS),
  },
});

const rotate = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "rotateCertificate",
  method: "post",
  path: `${PATH}/rotate`,
  summary: "Switch to the next keys (If-Match)",
  description:
    "Self-signed: at once. At a CA: with an order that begins at once; the present version stays in service until it is issued. Needs a next key, and If-Match.",
  request: { params: idParameter, headers: keyedConditionHeaders },
  responses: {
    200: mayBeReplayed(answersRecord(certificateResponse, "the certificate")),
    ...problems(...NEXT_KEY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

const renew = createRoute({
  ...common,
  ...needs("certificates:write"),
  operationId: "renewCertificate",
  method: "post",
  path: `${PATH}/renew`,
  summary: "Renew now (If-Match)",
  description:
    "For the sources self-signed and acme, whatever the date. The key stays or not by `renewal.key`. Needs If-Match.",
  request: { params: idParameter, headers: keyedConditionHeaders },
  responses: {
    200: mayBeReplayed(answersRecord(certificateResponse, "the certificate")),
    ...problems(...NEXT_KEY_PROBLEMS, ...KEY_PROBLEMS),
  },
});

export function routeCertificateVersions(
  app: OpenAPIHono<ApiEnv>,
  versions: Loaded<CertificateVersions>,
): void {
  app.openapi(getChain, async (c) => {
    const { pem, revision } = await (await versions()).chainPem({
      actor: c.get("actor"),
      id: c.req.valid("param").id,
    });
    return c.body(pem, 200, { ...etagOf({ revision }), "Content-Type": CHAIN_TYPE });
  });

  app.openapi(getRequests, async (c) => {
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const { pem, revision } = await (await versions()).requestsPem(target);
    return c.body(pem, 200, { ...etagOf({ revision }), "Content-Type": REQUEST_TYPE });
  });

  app.openapi(putMaterial, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await versions()).put(target, c.req.valid("json"), condition);
    return c.json(certificate, 200, etagOf(certificate));
  });

  app.openapi(listVersions, async (c) => {
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const { items, revision } = await (await versions()).list(target);
    return c.json({ items }, 200, etagOf({ revision }));
  });

  app.openapi(rollback, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const { version } = c.req.valid("json");
    const certificate = await (await versions()).rollback(target, version, condition);
    return c.json(certificate, 200, etagOf(certificate));
  });
}

export function routeCertificateKeys(app: OpenAPIHono<ApiEnv>, keys: Loaded<CertificateKeys>): void {
  app.openapi(makeNextKey, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await keys()).makeNext(target, condition);
    return c.json(certificate, 200, etagOf(certificate));
  });

  app.openapi(discardNextKey, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await keys()).discardNext(target, condition);
    return c.json(certificate, 200, etagOf(certificate));
  });

  app.openapi(rotate, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await keys()).rotate(target, condition);
    return c.json(certificate, 200, etagOf(certificate));
  });

  app.openapi(renew, async (c) => {
    const condition = readCondition(c.req);
    const target = { actor: c.get("actor"), id: c.req.valid("param").id };
    const certificate = await (await keys()).renew(target, condition);
    return c.json(certificate, 200, etagOf(certificate));
  });
}
