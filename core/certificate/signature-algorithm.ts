import { contextTag, elementsOf, expectTag, readDer, readOid, TAG } from "./der.ts";

const RSASSA_PSS = "1.2.840.113549.1.1.10";
const RSA = "1.2.840.113549.1.1";
const ECDSA = "1.2.840.10045.4";

/**
 * Signature algorithms of at least 112 bits, which OpenSSL takes at security level 2. MD5 and SHA-1 are not among
 * them: OpenSSL 3.5 still serves such a certificate, but a client at that level that verifies turns away (measured).
 */
const STRONG = new Set([
  `${RSA}.11`,
  `${RSA}.12`,
  `${RSA}.13`,
  `${RSA}.14`,
  `${ECDSA}.3.1`,
  `${ECDSA}.3.2`,
  `${ECDSA}.3.3`,
  `${ECDSA}.3.4`,
  // Ed25519 and Ed448 (RFC 8410)
  "1.3.101.112",
  "1.3.101.113",
]);
/** SHA-224, SHA-256, SHA-384 and SHA-512. */
const STRONG_HASHES = new Set([1, 2, 3, 4].map((n) => `2.16.840.1.101.3.4.2.${String(n)}`));

/**
 * Whether a signature with this AlgorithmIdentifier (DER) can be relied on.
 *
 * @throws MalformedDer when it is not an AlgorithmIdentifier.
 */
export function isStrongSignature(algorithm: Uint8Array): boolean {
  const [id, parameters] = elementsOf(readDer(algorithm, TAG.sequence).content);
  const name = readOid(id);
  if (name !== RSASSA_PSS) return STRONG.has(name);
  if (parameters === undefined) return false;
  // RFC 4055 section 3.1: hashAlgorithm [0], absent = SHA-1.
  const [hash] = elementsOf(expectTag(parameters, TAG.sequence).content);
  if (hash?.tag !== contextTag(0)) return false;
  const [hashId] = elementsOf(readDer(hash.content, TAG.sequence).content);
  return STRONG_HASHES.has(readOid(hashId));
}
