/** Schemas of certificates and trust stores in answers. */

import { CERTIFICATE_STATES } from "../../core/management/expiry.ts";
import { schemaOf } from "../../core/same-fields.ts";
import { type CertificateView, type LoggedCertificate } from "../../core/management/certificate-view.ts";
import type { TrustStoreSummary, TrustStoreView } from "../../core/management/trust-store-view.ts";
import { CLIENT_USAGES } from "../../core/x509/anchor-limits.ts";
import { KEY_TYPES } from "../../core/x509/key-type.ts";
import * as z from "zod";
import { CERTIFICATE_SOURCES } from "../../core/record/certificate.ts";
import { LEFT_OUT_REASONS } from "../../core/x509/certificate-chain.ts";
import { PREVIOUS_CONTENTS, type TrustStoreRecord } from "../../core/record/trust-store.ts";
import { recordsOf, revision, time, written } from "./domain-response.ts";

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

const usedBy = z.strictObject({
  count: z.int().min(0),
  isAtLeast: z.literal(true).optional().meta({
    description: "there may be more than count: a certificate on many hosts is not counted to the end",
  }),
  domains: z.array(z.string()).readonly().meta({ description: "the first 20 by name" }),
});

/** Strict, and without any field that could hold a key: an answer with one fails its test. */
const certificateFields = {
  id: z.string(),
  account: z.string(),
  label: z.string().nullable(),
  source: z.enum(CERTIFICATE_SOURCES),
  names: z.array(z.string()).readonly(),
  notBefore: time.nullable(),
  notAfter: time.nullable().meta({ description: "null = not issued yet" }),
  keys: z
    .array(
      z.strictObject({
        keyType: z.enum(KEY_TYPES),
        fingerprintSha256: fingerprint,
        spkiPin: z.string(),
        notAfter: time,
      }),
    )
    .readonly(),
  version: z.int().min(1).nullable(),
  ...written,
};

export const certificateResponse = z
  .strictObject({
    ...certificateFields,
    state: z.enum(CERTIFICATE_STATES),
    reason: z
      .string()
      .optional()
      .meta({ description: "why it is pending or failed, or will not be renewed" }),
    validation: z
      .array(z.strictObject({ domain: z.string(), name: z.string(), value: z.string() }))
      .readonly()
      .optional()
      .meta({ description: "acm: CNAME records that must be in the DNS, for it to be issued and renewed" }),
    usedBy,
    leftOut: z
      .array(
        z.strictObject({
          subject: z.string(),
          fingerprintSha256: fingerprint,
          notAfter: time,
          reason: z.enum(LEFT_OUT_REASONS),
        }),
      )
      .readonly()
      .optional()
      .meta({
        description:
          "in the answer to an upload: its certificates that are not served, and why; absent = none",
      }),
  })
  .meta({ id: "Certificate" });

export const certificateListResponse = recordsOf(schemaOf<CertificateView>()(certificateResponse)).meta({
  id: "CertificateList",
});

/** A certificate as the change log keeps it. */
export const loggedCertificateResponse = schemaOf<LoggedCertificate>()(
  z.strictObject(certificateFields).meta({ id: "LoggedCertificate" }),
);

const trustStoreFields = {
  id: z.string(),
  account: z.string(),
  label: z.string().nullable(),
  contentSha256: fingerprint,
  anchors: z
    .array(
      z.strictObject({
        subject: z.string(),
        fingerprintSha256: fingerprint,
        notBefore: time,
        notAfter: time,
        crlUntil: time.nullable().optional().meta({
          description: "nextUpdate of its newest CRL; null = it has none beside others that have one",
        }),
        limits: z
          .strictObject({
            isCa: z.boolean().meta({
              description: "false = it passes as the client's own certificate only, and vouches for no other",
            }),
            usages: z.array(z.enum(CLIENT_USAGES)).readonly(),
            dnsNames: z.array(z.string()).readonly().nullable().meta({
              description: "names of one that is not a CA; null = a CA, or more than 5 names",
            }),
          })
          .optional()
          .meta({
            description:
              "limits of an anchor that is not a CA, or that may not issue for both usages; absent = none are known",
          }),
      }),
    )
    .readonly(),
  crls: z.array(z.strictObject({ issuer: z.string(), thisUpdate: time, nextUpdate: time })).readonly(),
  previous: z
    .array(z.strictObject({ revision, contentSha256: fingerprint, replacedAt: time }))
    .readonly()
    .meta({ description: `contents that can be restored, the latest first; at most ${PREVIOUS_CONTENTS}` }),
  ...written,
};

const trustStoreSummary = schemaOf<TrustStoreSummary>()(
  z.strictObject({ ...trustStoreFields, usedBy }).meta({ id: "TrustStoreSummary" }),
);

export const trustStoreResponse = schemaOf<TrustStoreView>()(
  z
    .strictObject({ ...trustStoreFields, usedBy, certificatesPem: z.string(), crlPem: z.string().nullable() })
    .meta({ id: "TrustStore" }),
);

export const trustStoreListResponse = recordsOf(trustStoreSummary).meta({ id: "TrustStoreList" });

/** A trust store as the change log keeps it: its content by hash alone. */
export const loggedTrustStore = schemaOf<TrustStoreRecord>()(
  z.strictObject(trustStoreFields).meta({ id: "LoggedTrustStore" }),
);
