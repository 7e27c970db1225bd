import "reflect-metadata";
import { createPrivateKey, randomBytes } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { readCertificateFields } from "./certificate-fields.ts";
import { signingKeysOf, subjectOf } from "./certificate-request.ts";
import { describedLeaf } from "./key-pair.ts";
import { unnamedBits } from "./key-strength.ts";
import { type CertificateKey, isEcdsa } from "./key-type.ts";
import { createPrivateKeyOf } from "./new-key.ts";
import { writePem } from "./pem.ts";
import { SELF_SIGNED_DEFAULTS, type SelfSignedRequest } from "./self-signed-request.ts";
import type { KeyMaterial, NewCertificate } from "./serving-material.ts";

/** notBefore lies this far back, for clients whose clock is behind. */
const BACKDATED_MS = 3600 * 1000;
const DAY_MS = 24 * 3600 * 1000;

/**
 * Makes a self-signed server certificate for each type of key: serverAuth alone, no CA, signed with SHA-256,
 * or SHA-384 for P-384. Keys of the request are used again; others are made.
 */
export async function createSelfSigned(
  request: SelfSignedRequest,
  { nowMs }: { readonly nowMs: number },
): Promise<NewCertificate> {
  const { keyTypes = [SELF_SIGNED_DEFAULTS.keyType], existingKeys = [] } = request;
  const ordered = keyTypes.toSorted((a, b) => Number(isEcdsa(b)) - Number(isEcdsa(a)));
  const made = await Promise.all(
    ordered.map(async (keyType) => {
      const existing = existingKeys.find((each) => each.keyType === keyType);
      return selfSigned(existing ?? (await createPrivateKeyOf(keyType)), { request, nowMs });
    }),
  );
  return {
    keys: made.map(({ key }) => key),
    names: made[0]?.names ?? [],
    material: { keys: made.map(({ material }) => material) },
  };
}

interface SelfSigned {
  readonly key: CertificateKey;
  readonly names: readonly string[];
  readonly material: KeyMaterial;
}

async function selfSigned(
  { keyType, privateKeyPem }: Pick<KeyMaterial, "keyType" | "privateKeyPem">,
  { request, nowMs }: { readonly request: SelfSignedRequest; readonly nowMs: number },
): Promise<SelfSigned> {
  const { names, days = SELF_SIGNED_DEFAULTS.days } = request;
  const { name, subjectAltName } = subjectOf(names);
  const { keys, signingAlgorithm } = signingKeysOf(privateKeyPem);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + days * DAY_MS),
    signingAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(isEcdsa(keyType) ? SIGNING : SIGNING_AND_KEY_EXCHANGE, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      subjectAltName,
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const der = new Uint8Array(certificate.rawData);
  return described(der, { keyType, privateKeyPem });
}

const SIGNING = KeyUsageFlags.digitalSignature;
/** RSA key exchange (TLS 1.2 without forward secrecy) is off by default; TLS_CIPHERS may switch it on. */
const SIGNING_AND_KEY_EXCHANGE: KeyUsageFlags =
  KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment;

/** 16 random octets, positive and without a leading zero. */
function randomSerial(): string {
  const octets = randomBytes(16);
  octets.writeUInt8((octets.readUInt8(0) & 0x3f) | 0x40, 0);
  return octets.toString("hex");
}

function described(
  der: Uint8Array,
  { keyType, privateKeyPem }: Pick<KeyMaterial, "keyType" | "privateKeyPem">,
): SelfSigned {
  const fields = readCertificateFields(der, Infinity);
  const keyBits = unnamedBits(createPrivateKey(privateKeyPem), keyType);
  return {
    key: { keyType, ...(keyBits === undefined ? {} : { keyBits }), ...describedLeaf(der, fields) },
    names: fields.dnsNames,
    material: { keyType, privateKeyPem, certificateChainPem: writePem("CERTIFICATE", der) },
  };
}
