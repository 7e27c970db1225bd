import "reflect-metadata";
import { createPrivateKey, createPublicKey, type webcrypto } from "node:crypto";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { writePem } from "./pem.ts";

/** Upper bound of a common name (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;

export interface CertificateSubject {
  /** A list, never text: `CN=…` would be parsed. Empty when no name fits into a common name. */
  readonly name: { CN: string[] }[];
  readonly subjectAltName: SubjectAlternativeNameExtension;
}

/** Subject and subjectAltName of a server certificate: the first name that fits is the common name too. */
export function subjectOf(names: readonly string[]): CertificateSubject {
  const commonName = names.find((name) => name.length <= MAX_COMMON_NAME);
  return {
    name: commonName === undefined ? [] : [{ CN: [commonName] }],
    subjectAltName: new SubjectAlternativeNameExtension(
      names.map((value) => ({ type: "dns" as const, value })),
      // RFC 5280 section 4.2.1.6: critical when the subject is empty.
      commonName === undefined,
    ),
  };
}

export interface SigningKeys {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly signingAlgorithm: webcrypto.EcdsaParams | webcrypto.Algorithm;
}

/** A private key as @peculiar/x509 signs with it: RSA by PKCS #1 v1.5, and the hash of the curve's size. */
export function signingKeysOf(privateKeyPem: string): SigningKeys {
  const privateKey = createPrivateKey(privateKeyPem);
  const { namedCurve } = privateKey.asymmetricKeyDetails ?? {};
  const algorithm =
    namedCurve === undefined
      ? { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }
      : namedCurve === "secp384r1"
        ? { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" }
        : { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  return {
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ["sign"]),
      publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ["verify"]),
    },
    signingAlgorithm: algorithm,
  };
}

/**
 * A certificate request (PKCS #10, RFC 2986) for these names with an existing key. It asks for the names
 * alone: usages are the CA's to set.
 *
 * @param request names: canonical host names or wildcards, at least one.
 */
export async function createCsr(request: {
  readonly names: readonly string[];
  readonly privateKeyPem: string;
}): Promise<{ readonly der: Uint8Array; readonly pem: string }> {
  const { name, subjectAltName } = subjectOf(request.names);
  const made = await Pkcs10CertificateRequestGenerator.create({
    name,
    ...signingKeysOf(request.privateKeyPem),
    extensions: [subjectAltName],
  });
  const der = new Uint8Array(made.rawData);
  return { der, pem: writePem("CERTIFICATE REQUEST", der) };
}
