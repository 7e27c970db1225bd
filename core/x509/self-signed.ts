import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  type Extension,
} from "@peculiar/x509";
import { timestamp } from "../clock.ts";
import { readCertificateFields, sha256Hex, spkiPinOf } from "./certificate-fields.ts";
import { writePem } from "./pem.ts";
import {
  SELF_SIGNED_DEFAULTS,
  type SelfSignedKeyType,
  type SelfSignedRequest,
} from "./self-signed-request.ts";
import type { NewCertificate } from "./serving-material.ts";

/** notBefore lies this far back, for clients whose clock is behind. */
const BACKDATED_MS = 3600 * 1000;
const DAY_MS = 24 * 3600 * 1000;
/** Upper bound of a common name (RFC 5280 appendix A.1). */
const MAX_COMMON_NAME = 64;

const ECDSA_P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const rsa = (modulusLength: number): webcrypto.RsaHashedKeyGenParams => ({
  name: "RSASSA-PKCS1-v1_5",
  modulusLength,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
});
const ALGORITHM = { "ecdsa-p256": ECDSA_P256, "rsa-2048": rsa(2048), "rsa-3072": rsa(3072) } as const;

/** Makes a key and a self-signed server certificate for it: serverAuth alone, no CA, SHA-256. */
export async function createSelfSigned(
  request: SelfSignedRequest,
  { nowMs }: { readonly nowMs: number },
): Promise<NewCertificate> {
  const { names, keyType = SELF_SIGNED_DEFAULTS.keyType, days = SELF_SIGNED_DEFAULTS.days } = request;
  const signingAlgorithm = ALGORITHM[keyType];
  const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const commonName = names.find((name) => name.length <= MAX_COMMON_NAME);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    // As a list, never as text: `CN=…` would be parsed.
    name: commonName === undefined ? [] : [{ CN: [commonName] }],
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + days * DAY_MS),
    signingAlgorithm,
    keys,
    extensions: [
      ...extensionsFor({ names, keyType, criticalNames: commonName === undefined }),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const privateKey = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return described(new Uint8Array(certificate.rawData), { keyType, privateKey: new Uint8Array(privateKey) });
}

const SIGNING = KeyUsageFlags.digitalSignature;
const SIGNING_AND_KEY_EXCHANGE: KeyUsageFlags =
  KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment;

function extensionsFor(request: {
  names: readonly string[];
  keyType: SelfSignedKeyType;
  criticalNames: boolean;
}): Extension[] {
  // RSA key exchange (TLS 1.2 without forward secrecy) is off by default; TLS_CIPHERS may switch it on.
  const usage: KeyUsageFlags = request.keyType === "ecdsa-p256" ? SIGNING : SIGNING_AND_KEY_EXCHANGE;
  const names = request.names.map((value) => ({ type: "dns" as const, value }));
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(usage, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    // RFC 5280 section 4.2.1.6: critical when the subject is empty.
    new SubjectAlternativeNameExtension(names, request.criticalNames),
  ];
}

/** 16 random octets, positive and without a leading zero. */
function randomSerial(): string {
  const octets = randomBytes(16);
  octets.writeUInt8((octets.readUInt8(0) & 0x3f) | 0x40, 0);
  return octets.toString("hex");
}

function described(
  der: Uint8Array,
  { keyType, privateKey }: { keyType: SelfSignedKeyType; privateKey: Uint8Array },
): NewCertificate {
  const { spki, notBefore, notAfter, dnsNames } = readCertificateFields(der, Infinity);
  const key = {
    keyType,
    fingerprintSha256: sha256Hex(der),
    spkiPin: spkiPinOf(spki),
    notBefore: timestamp(notBefore),
    notAfter: timestamp(notAfter),
  };
  const privateKeyPem = writePem("PRIVATE KEY", privateKey);
  return {
    keys: [key],
    names: dnsNames,
    material: { keys: [{ keyType, privateKeyPem, certificateChainPem: writePem("CERTIFICATE", der) }] },
  };
}
