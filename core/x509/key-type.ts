/** Types of keys: which are served, and which are too weak in a chain. */

import type { Timestamp } from "../clock.ts";
import type { KeyObject } from "node:crypto";
import { elementsOf, expectTag, readDer, readOid, TAG } from "./der.ts";

/** What a key pair is. Anything else is refused when it is uploaded. */
export const KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] as const;

export type KeyType = (typeof KEY_TYPES)[number];

/** The public side of one key pair of a certificate. Never key material. */
export interface CertificateKey {
  readonly keyType: KeyType;
  /** SHA-256 of the DER leaf, lower-case hex. */
  readonly fingerprintSha256: string;
  /** `sha256//` and base64 of the SHA-256 of the SPKI. */
  readonly spkiPin: string;
  readonly notBefore: Timestamp;
  readonly notAfter: Timestamp;
}

export interface KeyProblem {
  readonly code: "weak-key" | "unsupported-key";
  readonly message: string;
}

const CURVES: ReadonlyMap<string | undefined, KeyType> = new Map([
  ["prime256v1", "ecdsa-p256"],
  ["secp384r1", "ecdsa-p384"],
]);
const RSA_BITS: ReadonlyMap<number | undefined, KeyType> = new Map([
  [2048, "rsa-2048"],
  [3072, "rsa-3072"],
  [4096, "rsa-4096"],
]);

/** Which of the key types a server certificate may have this one is, or why it is none. */
export function keyTypeOf(key: KeyObject): KeyType | KeyProblem {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") return CURVES.get(namedCurve) ?? unsupported("this elliptic curve");
  if (key.asymmetricKeyType !== "rsa") return unsupported(`${key.asymmetricKeyType ?? "this kind of"} keys`);
  if (modulusLength !== undefined && modulusLength < 2048) {
    return {
      code: "weak-key",
      message: `an RSA key of ${String(modulusLength)} bits is too weak: 2048 at least`,
    };
  }
  return RSA_BITS.get(modulusLength) ?? unsupported(`RSA keys of ${String(modulusLength)} bits`);
}

const unsupported = (what: string): KeyProblem => ({
  code: "unsupported-key",
  message: `${what} cannot be used: use ECDSA P-256 or P-384, or RSA with 2048, 3072 or 4096 bits`,
});

export const isEcdsa = (keyType: KeyType): boolean => keyType.startsWith("ecdsa");

/**
 * Slots of a certificate for its keys, served side by side: the signature algorithms of a client decide which
 * it receives.
 */
export const KEY_SLOTS = ["ecdsa", "rsa"] as const;
export type KeySlot = (typeof KEY_SLOTS)[number];

export const slotOf = (keyType: KeyType): KeySlot => (isEcdsa(keyType) ? "ecdsa" : "rsa");

const EC_PUBLIC_KEY = "1.2.840.10045.2.1";
/** OpenSSL at security level 2: 112 bits of strength. */
const MIN_EC_BITS = 224;
const MIN_MODULUS_BITS = 2048;

/**
 * What keeps a public key out of every chain, for any use: too weak for OpenSSL at security level 2, or a
 * curve by explicit parameters. OpenSSL reads those and names the curve all the same; others (Java) do not
 * (RFC 5480 section 2.1.1).
 *
 * @param spki SubjectPublicKeyInfo in DER.
 * @throws MalformedDer
 */
export function chainKeyProblem(key: KeyObject, spki: Uint8Array): KeyProblem | null {
  const { modulusLength, divisorLength } = key.asymmetricKeyDetails ?? {};
  // DSA has half the strength of its subgroup.
  if (divisorLength !== undefined && divisorLength < MIN_EC_BITS)
    return {
      code: "weak-key",
      message: `has a DSA key with a subgroup of less than ${String(MIN_EC_BITS)} bits`,
    };
  if (modulusLength !== undefined && modulusLength < MIN_MODULUS_BITS)
    return { code: "weak-key", message: `has a key of less than ${String(MIN_MODULUS_BITS)} bits` };
  const [algorithm, point] = elementsOf(readDer(spki, TAG.sequence).content);
  const [id, parameters] = elementsOf(expectTag(algorithm, TAG.sequence).content);
  if (readOid(id) !== EC_PUBLIC_KEY) return null;
  if (parameters?.tag !== TAG.objectIdentifier) return { code: "unsupported-key", message: EXPLICIT_CURVE };
  // Unused bits, form, and one coordinate or two.
  const [, form = 0, ...coordinates] = expectTag(point, TAG.bitString).content;
  const bits = 8 * (form === UNCOMPRESSED ? coordinates.length / 2 : coordinates.length);
  if (bits >= MIN_EC_BITS) return null;
  return { code: "weak-key", message: `has an elliptic-curve key of less than ${String(MIN_EC_BITS)} bits` };
}

const UNCOMPRESSED = 4;
const EXPLICIT_CURVE =
  "gives its elliptic curve by explicit parameters, which others than OpenSSL cannot read: make it anew with a named curve";
