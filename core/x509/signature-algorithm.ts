/** Signatures of certificates and CRLs: their strength, and whether a key made one. */

import { constants, verify, type KeyObject } from "node:crypto";
import { contextTag, elementsOf, expectTag, readDer, readOid, TAG, type DerElement } from "./der.ts";

const RSASSA_PSS = "1.2.840.113549.1.1.10";

/** How a signature is verified. `hash` null = the algorithm brings its own (Ed25519, Ed448). */
interface SignatureScheme {
  readonly hash: string | null;
  readonly pss: boolean;
}

/**
 * Signature algorithms of at least 112 bits, which OpenSSL takes at security level 2. MD5 and SHA-1 are not
 * among them: OpenSSL 3.5 still serves such a certificate, but a client at that level that verifies turns
 * away (measured).
 */
const SCHEMES: ReadonlyMap<string, SignatureScheme> = new Map([
  ["1.2.840.113549.1.1.11", { hash: "sha256", pss: false }],
  ["1.2.840.113549.1.1.12", { hash: "sha384", pss: false }],
  ["1.2.840.113549.1.1.13", { hash: "sha512", pss: false }],
  ["1.2.840.113549.1.1.14", { hash: "sha224", pss: false }],
  ["1.2.840.10045.4.3.1", { hash: "sha224", pss: false }],
  ["1.2.840.10045.4.3.2", { hash: "sha256", pss: false }],
  ["1.2.840.10045.4.3.3", { hash: "sha384", pss: false }],
  ["1.2.840.10045.4.3.4", { hash: "sha512", pss: false }],
  // RFC 8410
  ["1.3.101.112", { hash: null, pss: false }],
  ["1.3.101.113", { hash: null, pss: false }],
]);
const HASHES: ReadonlyMap<string, string> = new Map([
  ["2.16.840.1.101.3.4.2.4", "sha224"],
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);

/** @throws MalformedDer when the bytes are not an AlgorithmIdentifier. */
function schemeOf(algorithm: Uint8Array): SignatureScheme | null {
  const [id, parameters] = elementsOf(readDer(algorithm, TAG.sequence).content);
  const name = readOid(id);
  if (name !== RSASSA_PSS) return SCHEMES.get(name) ?? null;
  const hash = HASHES.get(pssHash(parameters) ?? "");
  return hash === undefined ? null : { hash, pss: true };
}

/** RFC 4055 section 3.1: hashAlgorithm [0], absent = SHA-1. */
function pssHash(parameters: DerElement | undefined): string | null {
  if (parameters === undefined) return null;
  const [hash] = elementsOf(expectTag(parameters, TAG.sequence).content);
  if (hash?.tag !== contextTag(0)) return null;
  const [id] = elementsOf(readDer(hash.content, TAG.sequence).content);
  return readOid(id);
}

/**
 * Whether a signature with this AlgorithmIdentifier (DER) can be relied on.
 *
 * @throws MalformedDer when it is not an AlgorithmIdentifier.
 */
export const isStrongSignature = (algorithm: Uint8Array): boolean => schemeOf(algorithm) !== null;

export interface Signed {
  readonly toBeSigned: Uint8Array;
  /** AlgorithmIdentifier in DER. */
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Whether the key made the signature, with an algorithm that can be relied on. */
export function isSignedBy({ toBeSigned, algorithm, signature }: Signed, key: KeyObject): boolean {
  try {
    const scheme = schemeOf(algorithm);
    if (scheme === null) return false;
    const padding = scheme.pss ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
    return verify(scheme.hash, toBeSigned, { key, ...padding }, signature);
  } catch {
    // The key is of another kind than the algorithm.
    return false;
  }
}
