/** Material that edges serve, and its form in the key vault. */

import type { Timestamp } from "../clock.ts";
import { type CertificateKey, KEY_TYPES, type KeyType } from "./key-type.ts";
import { z } from "zod";
import { Unreadable } from "../errors.ts";
import { schemaOf } from "../same-fields.ts";
import { parseStoredJson } from "../stored-json.ts";

/** One key pair ready for use: the leaf first in the chain, no root needed. Secret. */
export interface KeyMaterial {
  readonly keyType: KeyType;
  /** PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
  /** Leaf and intermediates, in order. */
  readonly certificateChainPem: string;
}

/** What `keys/<certificate>/<version>` holds, as JSON. */
export interface CertificateMaterial {
  readonly keys: readonly KeyMaterial[];
}

/**
 * Why a certificate of an upload is not served; `not-needed` = it is in no chain of a leaf, `root` = clients
 * that trust it have it.
 */
export const LEFT_OUT_REASONS = ["not-needed", "expired", "not-yet-valid", "root"] as const;

/** A certificate of an upload that is not served. */
export interface LeftOutCertificate {
  /** RFC 4514 text, control characters escaped. */
  readonly subject: string;
  readonly fingerprintSha256: string;
  readonly notAfter: Timestamp;
  readonly reason: (typeof LEFT_OUT_REASONS)[number];
}

/** A certificate as made or uploaded, checked, and not stored yet. `material` is secret. */
export interface NewCertificate {
  /** At most one ECDSA and one RSA, ECDSA first. */
  readonly keys: readonly CertificateKey[];
  /** dNSNames that every leaf carries, canonical. */
  readonly names: readonly string[];
  readonly material: CertificateMaterial;
  /** Certificates of an upload that are not served; absent = none. */
  readonly leftOut?: readonly LeftOutCertificate[];
}

const MATERIAL = schemaOf<CertificateMaterial>()(
  z.object({
    keys: z
      .array(
        z.object({
          keyType: z.enum(KEY_TYPES),
          privateKeyPem: z.string().min(1),
          certificateChainPem: z.string().min(1),
        }),
      )
      .min(1)
      .max(2),
  }),
);

/** The bytes of `keys/<certificate>/<version>`. The same material always gives the same bytes. */
export function encodeMaterial(material: CertificateMaterial): Uint8Array {
  return Buffer.from(JSON.stringify(MATERIAL.parse(material)), "utf8");
}

/**
 * Reads stored material back. Fields of later releases are ignored.
 *
 * @throws Unreadable when the bytes are not material; neither message nor cause holds any of them.
 */
export function decodeMaterial(bytes: Uint8Array): CertificateMaterial {
  const parsed = MATERIAL.safeParse(parseStoredJson(bytes));
  if (!parsed.success) throw new Unreadable("stored certificate material cannot be read by this release");
  return parsed.data;
}

/**
 * A private key that no version has yet: what `private/<certificate>/<SPKI>` and `acme/<SPKI>` hold. Secret.
 */
export type StoredPrivateKey = Pick<KeyMaterial, "keyType" | "privateKeyPem">;

const PRIVATE_KEY = schemaOf<StoredPrivateKey>()(
  z.object({ keyType: z.enum(KEY_TYPES), privateKeyPem: z.string().min(1) }),
);

export function encodePrivateKey(key: StoredPrivateKey): Uint8Array {
  return Buffer.from(JSON.stringify(PRIVATE_KEY.parse(key)), "utf8");
}

/** @throws Unreadable when the bytes are no key; neither message nor cause holds any of them. */
export function decodePrivateKey(bytes: Uint8Array): StoredPrivateKey {
  const parsed = PRIVATE_KEY.safeParse(parseStoredJson(bytes));
  if (!parsed.success) throw new Unreadable("a stored private key cannot be read by this release");
  return parsed.data;
}
