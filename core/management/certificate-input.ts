/** Input schemas of certificates and trust stores. */

import * as z from "zod";
import type { CertificateView } from "./certificate-view.ts";
import type { TrustStoreView } from "./trust-store-view.ts";
import { CAPS } from "../limits.ts";
import { ACME_CHALLENGES, RENEWAL_KEYS } from "../record/certificate.ts";
import { KEY_TYPES, type KeyType, slotOf } from "../x509/key-type.ts";
import { distinct, ignoredInput, labelInput, labelsInput, namePatternInput } from "./input-fields.ts";
import { ISSUED_KEY_TYPES } from "./certificate-issuer.ts";
import { SELF_SIGNED_DEFAULTS } from "../x509/self-signed-request.ts";

/**
 * Ten years; clients refuse longer ones from public CAs long before, and a forgotten key should end some day.
 */
const MAX_DAYS = 3650;

/** Where PEM goes in an example. */
const EXAMPLE = {
  certificate: "-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n",
  key: "-----BEGIN PRIVATE KEY-----\nMIGH…\n-----END PRIVATE KEY-----\n",
};

/**
 * A real CA until 2126, so that examples are taken as they stand. Its key was thrown away; nothing trusts it.
 */
export const EXAMPLE_CA = [
  "-----BEGIN CERTIFICATE-----",
  "MIIBiTCCAS6gAwIBAgIILmE/Ki0ZWV4wCgYIKoZIzj0EAwIwJzEQMA4GA1UEChMH",
  "UGFydG5lcjETMBEGA1UEAxMKUGFydG5lciBDQTAgFw0yNjAxMDEwMDAwMDBaGA8y",
  "MTI2MDEwMTAwMDAwMFowJzEQMA4GA1UEChMHUGFydG5lcjETMBEGA1UEAxMKUGFy",
  "dG5lciBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKZITftrNb9gRlJGUbxa",
  "ewktI1Deh44jOEQ9EUv5FaehStawfMPbYW3ZBT2nR0pQX/Y7AalEHkafdar/r58A",
  "cr6jQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQW",
  "BBSULRTbZQBaoOC2id00nc8F3i3FfzAKBggqhkjOPQQDAgNJADBGAiEAvloMaLo4",
  "YYYy9ubArCHOSMX6xpL1X/CU7arMb9khRMACIQDof27X432C8uD7msI3HiFBeMO9",
  "qwXhfp/uuZzPRcYtOg==",
  "-----END CERTIFICATE-----",
  "",
].join("\n");

const pem = z.string().min(1);

const pemFields = {
  certificatePem: pem.meta({
    description: "the leaf; may hold its chain and its private key too, in any order",
    writeOnly: true,
  }),
  chainPem: pem.optional().meta({
    description: "intermediates; those that the leaf does not need are left out and named in the answer",
  }),
  privateKeyPassphrase: z.string().min(1).optional().meta({ writeOnly: true }),
};

/** `keyType` for one key, `keyTypes` for an ECDSA and an RSA key side by side. */
const keyFields = {
  keyType: z
    .enum(KEY_TYPES)
    .optional()
    .meta({ description: `algorithm and size of the key; absent = ${SELF_SIGNED_DEFAULTS.keyType}` }),
  keyTypes: z
    .array(z.enum(KEY_TYPES))
    .min(1)
    .max(2)
    .refine((types) => new Set(types.map(slotOf)).size === types.length, {
      message: "may hold one ECDSA and one RSA type",
    })
    .optional()
    .meta({ description: "instead of keyType: an ECDSA and an RSA key, served side by side" }),
};

interface KeyFields {
  readonly keyType?: KeyType | undefined;
  readonly keyTypes?: readonly KeyType[] | undefined;
}

const namesOneOfBoth = ({ keyType, keyTypes }: KeyFields): boolean =>
  keyType === undefined || keyTypes === undefined;
const BOTH = { message: "keyType and keyTypes cannot be given together", path: ["keyTypes"] };

/** Types of the keys to be made. */
export const keyTypesOf = ({ keyType, keyTypes }: KeyFields): readonly KeyType[] =>
  keyTypes ?? [keyType ?? SELF_SIGNED_DEFAULTS.keyType];

const selfSigned = z
  .strictObject({
    source: z.literal("self-signed"),
    names: distinct(namePatternInput, CAPS.selfSignedNames).min(1),
    ...keyFields,
    days: z.int().min(1).max(MAX_DAYS).default(SELF_SIGNED_DEFAULTS.days),
    label: labelInput,
    labels: labelsInput,
  })
  .refine(namesOneOfBoth, BOTH)
  .meta({
    id: "SelfSignedCertificateInput",
    description:
      "a certificate that Postern makes, signs with its own key, and renews at two thirds of its life",
    examples: [{ source: "self-signed", names: ["mx1.example.org"], keyType: "ecdsa-p256", label: "mx1" }],
  });
export type SelfSignedInput = z.output<typeof selfSigned>;

const request = z
  .strictObject({
    source: z.literal("request"),
    names: distinct(namePatternInput, CAPS.orderedNames).min(1),
    ...keyFields,
    label: labelInput,
    labels: labelsInput,
  })
  .refine(namesOneOfBoth, BOTH)
  .meta({
    id: "RequestCertificateInput",
    description:
      "a key that Postern makes and keeps, with a signing request (PKCS #10) for a CA; its certificate is PUT to /material",
    examples: [{ source: "request", names: ["mx1.example.org"], keyType: "rsa-2048" }],
  });
export type RequestInput = z.output<typeof request>;

const acme = z
  .strictObject({
    source: z.literal("acme"),
    names: distinct(namePatternInput, CAPS.orderedNames).min(1),
    ...keyFields,
    directory: z.string().min(1).max(32).meta({ description: "a name of ACME_DIRECTORIES" }),
    challenge: z.enum(ACME_CHALLENGES).default("dns-01"),
    profile: z.string().min(1).max(64).nullable().default(null).meta({
      description: "a profile that the CA offers; null = its default",
    }),
    label: labelInput,
    labels: labelsInput,
  })
  .refine(namesOneOfBoth, BOTH)
  .meta({
    id: "AcmeCertificateInput",
    description:
      "a certificate that a CA issues and renews by ACME (RFC 8555); Postern makes the key and keeps it",
    examples: [{ source: "acme", names: ["mx1.example.org"], directory: "letsencrypt" }],
  });
export type AcmeInput = z.output<typeof acme>;

const uploaded = z
  .strictObject({
    source: z.literal("pem"),
    ...pemFields,
    privateKeyPem: pem.optional().meta({
      description: "needed unless certificatePem holds it",
      writeOnly: true,
    }),
    label: labelInput,
    labels: labelsInput,
  })
  .meta({
    id: "PemCertificateInput",
    description: "a certificate of a CA, with its key",
    examples: [{ source: "pem", certificatePem: EXAMPLE.certificate, privateKeyPem: EXAMPLE.key }],
  });

const pkcs12Fields = {
  pkcs12: z.string().min(1).meta({
    description: "a .p12 or .pfx file in base64 (RFC 4648 section 4): key, leaf and chain",
    writeOnly: true,
  }),
  passphrase: z.string().optional().meta({ writeOnly: true }),
};

const uploadedPkcs12 = z
  .strictObject({ source: z.literal("pkcs12"), ...pkcs12Fields, label: labelInput, labels: labelsInput })
  .meta({
    id: "Pkcs12CertificateInput",
    description: "a certificate of a CA, with its key, as Windows, Java and OpenSSL export it",
    examples: [{ source: "pkcs12", pkcs12: "MIIKHwIBAzCC…", passphrase: "…" }],
  });

/** What ACM takes: names as octets of ASCII, the first of which becomes the subject's common name. */
const ACM_FIRST_NAME_OCTETS = 64;

const acm = z
  .strictObject({
    source: z.literal("acm"),
    names: distinct(namePatternInput, CAPS.acmNames)
      .min(1)
      .refine(([first = ""]) => first.length <= ACM_FIRST_NAME_OCTETS, {
        message: `the first name may have ${ACM_FIRST_NAME_OCTETS} characters at most`,
        path: [0],
      }),
    keyType: z.enum(ISSUED_KEY_TYPES).default("ecdsa-p256"),
    acceptCharges: z.literal(true).meta({
      description: "AWS charges for each name of an exportable certificate, at issue and at each renewal",
    }),
    label: labelInput,
    labels: labelsInput,
  })
  .meta({
    id: "AcmCertificateInput",
    description: "an exportable certificate that AWS Certificate Manager issues; on AWS alone",
    examples: [{ source: "acm", names: ["mx1.example.org"], acceptCharges: true }],
  });
export type AcmInput = z.output<typeof acm>;

export const certificateInput = z
  .discriminatedUnion("source", [selfSigned, uploaded, uploadedPkcs12, request, acme, acm])
  .meta({
    id: "CertificateInput",
    description: "where the certificate comes from",
    examples: [{ source: "self-signed", names: ["mx1.example.org"], keyType: "ecdsa-p256", label: "mx1" }],
  });
export type CertificateInput = z.output<typeof certificateInput>;

const otherSlot = z.enum(["keep", "remove"]).default("keep").meta({
  description:
    "whether the slot of the key that is not sent stays, where the certificate has an ECDSA and an RSA key",
});

/** New material of a certificate; without a key, the one that is here already is used again. */
const pemMaterial = z
  .strictObject({
    source: z.literal("pem"),
    ...pemFields,
    privateKeyPem: pem.optional().meta({ writeOnly: true }),
    otherSlot,
  })
  .meta({
    id: "PemMaterialInput",
    description: "the next version of a certificate in PEM",
    examples: [{ source: "pem", certificatePem: EXAMPLE.certificate, privateKeyPem: EXAMPLE.key }],
  });
export type PemMaterialInput = z.output<typeof pemMaterial>;

const pkcs12Material = z.strictObject({ source: z.literal("pkcs12"), ...pkcs12Fields, otherSlot }).meta({
  id: "Pkcs12MaterialInput",
  description: "the next version of a certificate in PKCS #12",
  examples: [{ source: "pkcs12", pkcs12: "MIIKHwIBAzCC…", passphrase: "…" }],
});
export type Pkcs12MaterialInput = z.output<typeof pkcs12Material>;

/** A body without a source is PEM: releases before 0.2 took no other. */
const withSource = (body: unknown): unknown =>
  typeof body === "object" && body !== null && !Array.isArray(body) && !("source" in body)
    ? { source: "pem", ...body }
    : body;

export const materialInput = z
  .preprocess(withSource, z.discriminatedUnion("source", [pemMaterial, pkcs12Material]))
  .meta({
    id: "CertificateMaterialInput",
    description: "the next version of a certificate; without a source, in PEM",
    examples: [{ source: "pem", certificatePem: EXAMPLE.certificate, privateKeyPem: EXAMPLE.key }],
  });
export type MaterialInput = z.output<typeof materialInput>;

/** Fields of a shown certificate that are as they are; a patch may repeat them. */
export const FIXED_FIELDS = ["id", "source", "names", "version"] as const;

/** A shown certificate as a patch leaves it: only label, labels and the renewal's key are written. */
export const certificateDocument = z.strictObject({
  label: labelInput,
  labels: labelsInput,
  renewal: z
    .strictObject({
      key: z.enum(RENEWAL_KEYS).nullable().default(null),
      by: ignoredInput,
      keyKept: ignoredInput,
    })
    .prefault({}),
  id: ignoredInput,
  source: ignoredInput,
  names: ignoredInput,
  version: ignoredInput,
  notBefore: ignoredInput,
  notAfter: ignoredInput,
  keys: ignoredInput,
  account: ignoredInput,
  state: ignoredInput,
  reason: ignoredInput,
  renewsAt: ignoredInput,
  expiresAt: ignoredInput,
  lastError: ignoredInput,
  nextKeys: ignoredInput,
  timeline: ignoredInput,
  requests: ignoredInput,
  acme: ignoredInput,
  validation: ignoredInput,
  usedBy: ignoredInput,
  revision: ignoredInput,
  createdAt: ignoredInput,
  updatedAt: ignoredInput,
  updatedBy: ignoredInput,
  warnings: ignoredInput,
  leftOut: ignoredInput,
} satisfies Record<keyof CertificateView | "warnings", z.ZodType>);

export const trustStoreInput = z
  .strictObject({
    label: labelInput,
    labels: labelsInput,
    certificatesPem: pem.meta({ description: `at most ${CAPS.trustStoreCertificates} certificates` }),
    crlPem: pem.nullable().default(null),
  })
  .meta({
    id: "TrustStoreInput",
    description: "CAs that may vouch for clients",
    examples: [{ label: "partners", certificatesPem: EXAMPLE_CA }],
  });
export type TrustStoreInput = z.output<typeof trustStoreInput>;

/** What replaces a trust store: what was read may be sent back. */
export const trustStoreDocument = z
  .strictObject({
    ...trustStoreInput.shape,
    id: ignoredInput,
    account: ignoredInput,
    contentSha256: ignoredInput,
    anchors: ignoredInput,
    crls: ignoredInput,
    previous: ignoredInput,
    usedBy: ignoredInput,
    revision: ignoredInput,
    createdAt: ignoredInput,
    updatedAt: ignoredInput,
    updatedBy: ignoredInput,
    warnings: ignoredInput,
  } satisfies Record<keyof TrustStoreView | "warnings", z.ZodType>)
  .meta({
    id: "TrustStoreDocument",
    description: "CAs that may vouch for clients; what was read may be sent back",
    examples: [{ label: "partners", certificatesPem: EXAMPLE_CA }],
  });

/** Which earlier content of a trust store comes back. */
export const restoreInput = z
  .strictObject({
    revision: z
      .int()
      .min(1)
      .max(Number.MAX_SAFE_INTEGER)
      .meta({ description: "revision of one of `previous`" }),
  })
  .meta({
    id: "TrustStoreRestoreInput",
    description: "the revision whose content comes back; label and users stay",
    examples: [{ revision: 3 }],
  });

/** More than any certificate has; the document says it, so that no client sends a number that JSON rounds. */
const MAX_VERSION = 1_000_000_000;

/** Which retired version comes back. */
export const rollbackInput = z
  .strictObject({
    version: z
      .int()
      .min(1)
      .max(MAX_VERSION)
      .meta({ description: "version to put back: retired within the last 30 days and still valid" }),
  })
  .meta({
    id: "CertificateRollbackInput",
    description: "the version that is put into service again",
    examples: [{ version: 1 }],
  });
