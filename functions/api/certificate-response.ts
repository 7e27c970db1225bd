/** Schemas of certificates and trust stores in answers. */

import { RENEWED_BY } from "../../core/management/renewal.ts";
import { CERTIFICATE_STATES, TIMELINE_EVENTS } from "../../core/management/expiry.ts";
import { schemaOf } from "../../core/same-fields.ts";
import type {
  CertificateView,
  LoggedCertificate,
  VersionView,
} from "../../core/management/certificate-view.ts";
import type { TrustStoreSummary, TrustStoreView } from "../../core/management/trust-store-view.ts";
import { CLIENT_USAGES } from "../../core/x509/anchor-limits.ts";
import { KEY_SLOTS, KEY_TYPES } from "../../core/x509/key-type.ts";
import * as z from "zod";
import {
  ACME_CHALLENGES,
  CERTIFICATE_SOURCES,
  RENEWAL_KEYS,
  VERSION_CAUSES,
} from "../../core/record/certificate.ts";
import { LEFT_OUT_REASONS } from "../../core/x509/serving-material.ts";
import { PREVIOUS_CONTENTS, type TrustStoreRecord } from "../../core/record/trust-store.ts";
import { labels, recordsOf, revision, time, warningResponse, written } from "./domain-response.ts";

const fingerprint = z.string().regex(/^[0-9a-f]{64}$/);

const tlsa = z
  .string()
  .meta({ description: "rdata of a TLSA record that names the key (DANE-EE, SPKI, SHA-256)" });

const usedBy = z.strictObject({
  count: z.int().min(0),
  isAtLeast: z.literal(true).optional().meta({
    description: "there may be more than count: a certificate on many hosts is not counted to the end",
  }),
  domains: z.array(z.string()).readonly().meta({ description: "names of the domains; the first 20" }),
});

const shownKey = {
  slot: z.enum(KEY_SLOTS),
  keyType: z.enum(KEY_TYPES),
  keyBits: z.int().optional().meta({
    description:
      "size of an RSA key in bits, where it lies between those that keyType names; absent = as named",
  }),
  fingerprintSha256: fingerprint,
  spkiPin: z.string(),
  issuer: z.string().optional().meta({
    description: "the leaf's issuer (RFC 4514); absent where a release before 0.2 stored the certificate",
  }),
  issuerMissing: z.literal(true).optional().meta({
    description:
      "`true`: the leaf is served without the certificate of its issuer; absent = it is not, or needs none",
  }),
  tlsa: tlsa,
  notAfter: time,
};

/** Strict, and without any field that could hold a key: an answer with one fails its test. */
const certificateFields = {
  id: z.string(),
  account: z.string(),
  label: z.string().nullable(),
  labels,
  source: z.enum(CERTIFICATE_SOURCES),
  names: z.array(z.string()).readonly(),
  notBefore: time.nullable(),
  notAfter: time
    .nullable()
    .meta({ description: "end of validity, the earliest of all keys; null = not issued yet" }),
  keys: z.array(z.strictObject(shownKey)).readonly(),
  version: z.int().min(1).nullable(),
  renewal: z.strictObject({
    by: z.enum(RENEWED_BY),
    key: z
      .enum(RENEWAL_KEYS)
      .nullable()
      .meta({ description: "whether a renewal keeps the key; null = not for Postern to decide" }),
    keyKept: z.boolean().nullable().meta({
      description:
        "whether TLSA records and pins of the key hold after the next renewal; null = the operator decides",
    }),
  }),
  nextKeys: z
    .array(
      z.strictObject({
        slot: z.enum(KEY_SLOTS),
        keyType: z.enum(KEY_TYPES),
        spkiPin: z.string(),
        spkiSha256: fingerprint,
        tlsa,
        madeAt: time,
        switchAt: time
          .nullable()
          .meta({ description: "time at which the switch was requested; null = not yet" }),
      }),
    )
    .readonly()
    .meta({ description: "keys made ahead: publish their TLSA records and pins before the switch" }),
  ...written,
};

export const certificateResponse = z
  .strictObject({
    ...certificateFields,
    state: z.enum(CERTIFICATE_STATES),
    reason: z
      .string()
      .optional()
      .meta({ description: "reason why it is pending or failed, or will not be renewed; absent = none" }),
    renewsAt: time.nullable().meta({
      description: "time at which Postern renews it; null = it does not, or there is nothing to renew",
    }),
    expiresAt: time.nullable().meta({ description: "end of validity, as notAfter" }),
    lastError: z
      .strictObject({ failures: z.int().min(1), at: time, nextAt: time, problem: z.string() })
      .nullable()
      .meta({
        description:
          "the last failure to issue or renew it, and the next attempt; null = the last attempt succeeded",
      }),
    timeline: z
      .array(
        z.strictObject({
          at: time,
          event: z.enum(TIMELINE_EVENTS),
          version: z.int().min(1).optional(),
          detail: z.string().optional(),
        }),
      )
      .readonly()
      .meta({ description: "events in its life, past and to come, by time" }),
    requests: z
      .array(z.strictObject({ keyType: z.enum(KEY_TYPES), spkiPin: z.string(), csrPem: z.string() }))
      .readonly()
      .optional()
      .meta({
        description:
          "signing requests (PKCS #10) for a CA, each the same for as long as its key; of source request alone",
      }),
    acme: z
      .strictObject({
        directory: z.string(),
        challenge: z.enum(ACME_CHALLENGES),
        profile: z.string().nullable(),
        accountUrl: z.string().nullable(),
        caa: z
          .array(z.strictObject({ name: z.string(), value: z.string() }))
          .readonly()
          .meta({
            description: "recommended CAA records (RFC 8657): no other account may have certificates",
          }),
      })
      .optional(),
    validation: z
      .array(
        z.strictObject({
          type: z
            .enum(["CNAME", "TXT"])
            .optional()
            .meta({ description: "type of the record; absent = CNAME" }),
          domain: z.string(),
          name: z.string(),
          value: z.string(),
        }),
      )
      .readonly()
      .optional()
      .meta({
        description:
          "DNS records by which the CA validates the names: of acm for as long as it is to be renewed, of acme until it is issued",
      }),
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
    warnings: z
      .array(warningResponse)
      .readonly()
      .optional()
      .meta({ description: "valid settings, or states, that may have an unexpected effect; absent = none" }),
  })
  .meta({ id: "Certificate" });

const versionView = schemaOf<VersionView>()(
  z.strictObject({
    version: z.int().min(1),
    keys: z.array(z.strictObject({ ...shownKey, notBefore: time })).readonly(),
    addedAt: time.nullable(),
    cause: z.enum(VERSION_CAUSES).nullable(),
    retiredAt: time.nullable().meta({ description: "time at which it left service; null = in service" }),
    retiredBy: z.enum(["replaced", "rolled-back"]).nullable(),
    isKept: z.boolean().meta({ description: "whether a rollback to it is possible while it is valid" }),
  }),
);

export const versionListResponse = schemaOf<{ readonly items: readonly VersionView[] }>()(
  z.strictObject({ items: z.array(versionView).readonly() }).meta({ id: "CertificateVersionList" }),
);

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
  labels,
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
              description:
                "whether it may vouch for other certificates; false = it passes only as the client's own",
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
