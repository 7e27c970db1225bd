/** Schemas of fields that stored records share, and of the stored certificate: see stored-record.ts. */

import * as z from "zod";
import { type CertificateId, isCertificateId } from "../name/ids.ts";
import {
  ACME_CHALLENGES,
  CERTIFICATE_SOURCES,
  type CertificateRecord,
  RENEWAL_KEYS,
  VERSION_CAUSES,
} from "../record/certificate.ts";
import { type Labels, NO_LABELS } from "../record/labels.ts";
import { schemaOf } from "../same-fields.ts";
import { KEY_TYPES } from "../x509/key-type.ts";

export const certificateId = z.custom<CertificateId>(
  (value) => typeof value === "string" && isCertificateId(value),
);
/** A date that cannot be parsed would compare with nothing: an exception that never ends. */
export const timestamp = z.iso.datetime();
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const takenRevision = z.int().min(1);
export const absentIsNull = <T extends z.ZodType>(type: T) =>
  type.nullish().transform((value) => value ?? null);

/** Records of releases before 0.2 have none. */
export const labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform(
    (stored): Labels =>
      stored === null || stored === undefined || Object.keys(stored).length === 0 ? NO_LABELS : stored,
  );

export const written = {
  revision: takenRevision,
  createdAt: timestamp,
  updatedAt: timestamp,
  updatedBy: z.string(),
};

const validationRecords = z.array(
  z.object({
    type: z.enum(["CNAME", "TXT"]).optional(),
    domain: z.string(),
    name: z.string(),
    value: z.string(),
  }),
);

const acmOrder = z.object({
  arn: z.string().min(1),
  status: z.enum(["pending", "issued", "failed"]),
  validation: validationRecords,
  problem: absentIsNull(z.string()),
});

const keyType = z.enum(KEY_TYPES);

const acmeIssuance = z.object({
  directory: z.string().min(1),
  challenge: z.enum(ACME_CHALLENGES),
  profile: absentIsNull(z.string()),
  accountUrl: absentIsNull(z.string()),
  caaIdentity: absentIsNull(z.string()),
  orders: z.array(
    z.object({
      keyType,
      spkiPin: z.string(),
      url: z.string().min(1),
      startedAt: timestamp,
      validation: validationRecords,
      lookAgainAt: timestamp.optional(),
    }),
  ),
  suggestions: z.array(z.object({ fingerprintSha256: sha256, at: timestamp })),
});

const certificateKeys = z.array(
  z.object({
    keyType,
    keyBits: z.int().optional(),
    fingerprintSha256: sha256,
    spkiPin: z.string(),
    issuer: z.string().optional(),
    issuerMissing: z.literal(true).optional(),
    notBefore: timestamp,
    notAfter: timestamp,
  }),
);

const materialReference = {
  version: z.int().min(1),
  sha256,
  addedAt: timestamp.optional(),
  cause: z.enum(VERSION_CAUSES).optional(),
};

const planWithoutNames = {
  keyTypes: z.array(keyType).min(1),
  days: z.int().optional(),
  renewalKey: z.enum(RENEWAL_KEYS),
};

const whole = z
  .object({
    id: certificateId,
    account: z.string().min(1),
    label: absentIsNull(z.string()),
    labels,
    source: z.enum(CERTIFICATE_SOURCES),
    names: z.array(z.string()),
    keys: certificateKeys,
    material: absentIsNull(z.object(materialReference)),
    acm: acmOrder.optional(),
    acme: acmeIssuance.optional(),
    plan: z.object({ names: z.array(z.string()).optional(), ...planWithoutNames }).optional(),
    retired: z
      .array(
        z.object({
          ...materialReference,
          keys: certificateKeys,
          retiredAt: timestamp,
          retiredBy: z.enum(["replaced", "rolled-back"]),
          source: z.enum(CERTIFICATE_SOURCES).optional(),
          plan: z.object(planWithoutNames).optional(),
        }),
      )
      .optional(),
    pendingKeys: z
      .array(
        z.object({
          keyType,
          spkiPin: z.string(),
          sha256,
          madeAt: timestamp,
          switchAt: absentIsNull(timestamp),
        }),
      )
      .optional(),
    requests: z.array(z.object({ keyType, spkiPin: z.string(), csrPem: z.string().min(1) })).optional(),
    attempt: z
      .object({ failures: z.int().min(1), at: timestamp, nextAt: timestamp, problem: z.string() })
      .optional(),
    ...written,
  })
  // Only an order, or a certificate whose key waits for one, can be without material.
  .refine(
    ({ material, acm, pendingKeys = [] }) => material !== null || acm !== undefined || pendingKeys.length > 0,
  );

export const certificate = schemaOf<CertificateRecord>()(whole);
