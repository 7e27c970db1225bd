/** Types of keys, and the public side of a key pair. */

import type { Timestamp } from "../clock.ts";

/**
 * What a key pair is. Anything else is refused when it is uploaded. An RSA type includes the sizes up to the
 * next one, so that older releases read them too: `CertificateKey.keyBits`.
 */
export const KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

export type KeyType = (typeof KEY_TYPES)[number];

/** The public side of one key pair of a certificate. Never key material. */
export interface CertificateKey {
  readonly keyType: KeyType;
  /** Bits of an RSA modulus between the sizes that key types name; absent = the size that keyType names. */
  readonly keyBits?: number | undefined;
  /** SHA-256 of the DER leaf, lower-case hex. */
  readonly fingerprintSha256: string;
  /** `sha256//` and base64 of the SHA-256 of the SPKI. */
  readonly spkiPin: string;
  /** RFC 4514 text of the leaf's issuer, control characters escaped; absent in records of older releases. */
  readonly issuer?: string | undefined;
  /** The leaf is served alone and is not self-signed; absent = its issuer is served, or is a root. */
  readonly issuerMissing?: true | undefined;
  readonly notBefore: Timestamp;
  readonly notAfter: Timestamp;
}

export const isEcdsa = (keyType: KeyType): boolean => keyType.startsWith("ecdsa");

/**
 * Slots of a certificate for its keys, served side by side: the signature algorithms of a client decide which
 * it receives.
 */
export const KEY_SLOTS = ["ecdsa", "rsa"] as const;
export type KeySlot = (typeof KEY_SLOTS)[number];

export const slotOf = (keyType: KeyType): KeySlot => (isEcdsa(keyType) ? "ecdsa" : "rsa");
