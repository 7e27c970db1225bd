/** Strength and kind of a key: which are served, and which are too weak in a chain. */

import type { KeyObject } from "node:crypto";
import { elementsOf, expectTag, readDer, readOid, TAG } from "./der.ts";
import type { KeyType } from "./key-type.ts";

export interface KeyProblem {
  readonly code: "weak-key" | "unsupported-key";
  readonly message: string;
}

const CURVES: ReadonlyMap<string | undefined, KeyType> = new Map([
  ["prime256v1", "ecdsa-p256"],
  ["secp384r1", "ecdsa-p384"],
]);
const RSA_BITS = { min: 2048, max: 4096, multipleOf: 8 } as const;

function rsaTypeOf(bits: number): KeyType | null {
  if (bits < RSA_BITS.min || bits > RSA_BITS.max || bits % RSA_BITS.multipleOf !== 0) return null;
  if (bits < 3072) return "rsa-2048";
  return bits < 4096 ? "rsa-3072" : "rsa-4096";
}

/** Bits of an RSA key where its type does not name them. */
export function unnamedBits(key: KeyObject, keyType: KeyType): number | undefined {
  const bits = key.asymmetricKeyDetails?.modulusLength;
  return bits === undefined || keyType === `rsa-${String(bits)}` ? undefined : bits;
}

/** Which of the key types a server certificate may have this one is, or why it is none. */
export function keyTypeOf(key: KeyObject): KeyType | KeyProblem {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec")
    return CURVES.get(namedCurve) ?? unsupported(`the elliptic curve ${namedCurve ?? "of this key"}`);
  if (key.asymmetricKeyType !== "rsa")
    return unsupported(KEY_NAMES.get(key.asymmetricKeyType) ?? "this kind of key");
  if (modulusLength < RSA_BITS.min) {
    return {
      code: "weak-key",
      message: `an RSA key of ${String(modulusLength)} bits is too weak: 2048 at least`,
    };
  }
  return rsaTypeOf(modulusLength) ?? unsupported(`an RSA key of ${String(modulusLength)} bits`);
}

/** Keys that no mail client, or hardly one, can verify with. */
const KEY_NAMES: ReadonlyMap<string | undefined, string> = new Map([
  ["ed25519", "an Ed25519 key"],
  ["ed448", "an Ed448 key"],
  ["rsa-pss", "an RSA-PSS key"],
  ["dsa", "a DSA key"],
]);

const unsupported = (what: string): KeyProblem => ({
  code: "unsupported-key",
  message: `${what} cannot be used: use ECDSA P-256 or P-384, or RSA of 2048 to 4096 bits, a multiple of 8`,
});

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
