/** Private keys paired with the certificates that they belong to. */

import type { KeyMaterial } from "./serving-material.ts";
import { unnamedBits } from "./key-strength.ts";
import type { CertificateKey, KeyType } from "./key-type.ts";
import { sign, verify, type KeyObject } from "node:crypto";
import { timestamp } from "../clock.ts";
import type { Issue } from "../errors.ts";
import type { CertificateChain } from "./certificate-chain.ts";
import { type CertificateFields, sha256Hex, spkiPinOf } from "./certificate-fields.ts";
import { distinguishedName } from "./distinguished-name.ts";
import { writePem } from "./pem.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

/** A chain that can be served, with the key of its leaf. */
export interface KeyPair {
  readonly chain: CertificateChain;
  readonly privateKey: KeyObject;
}

/**
 * Finds the key of each chain.
 *
 * @param keyPointer where the keys came in with this request; null = they are already here.
 */
export function pairKeys(
  chains: readonly CertificateChain[],
  { keys, keyPointer }: { readonly keys: readonly KeyObject[]; readonly keyPointer: string | null },
): { pairs: readonly KeyPair[]; issues: readonly Issue[] } {
  const pairs = chains.flatMap((chain) => {
    const privateKey = keys.find((key) => isPair(key, chain.leaf));
    return privateKey === undefined ? [] : [{ chain, privateKey }];
  });
  if (pairs.length < chains.length)
    return { pairs, issues: [keyPointer === null ? NO_KEY_HERE : mismatch(keyPointer, MISMATCH)] };
  const idle = keyPointer !== null && keys.length > pairs.length;
  return { pairs, issues: idle ? [mismatch(keyPointer, IDLE_KEY)] : [] };
}

const MISMATCH = "the private key does not belong to the certificate";
const IDLE_KEY = "one of the private keys belongs to no certificate";
const mismatch = (pointer: string, message: string): Issue => ({ pointer, code: "key-mismatch", message });

const NO_KEY_HERE: Issue = {
  pointer: "/certificatePem",
  code: "key-mismatch",
  message: "the stored private key does not belong to the certificate: send its private key",
};

/**
 * Compares the public halves, then signs once: a key file may carry the right public half and a damaged
 * secret.
 */
function isPair(key: KeyObject, leaf: UploadedCertificate): boolean {
  if (!leaf.x509.checkPrivateKey(key)) return false;
  const message = Buffer.from("does this key sign?");
  try {
    return verify("sha256", message, leaf.x509.publicKey, sign("sha256", message, key));
  } catch {
    return false;
  }
}

/** The public side, as it is stored and shown. */
export function certificateKey({ leaf, issuerMissing }: CertificateChain, keyType: KeyType): CertificateKey {
  const keyBits = unnamedBits(leaf.x509.publicKey, keyType);
  return {
    keyType,
    ...(keyBits === undefined ? {} : { keyBits }),
    ...describedLeaf(leaf.der, leaf.fields),
    ...(issuerMissing ? { issuerMissing } : {}),
  };
}

/** Of the issuer's name: a record names 62 leaves, and its log entry has two of it in 400 KB. */
const ISSUER_CHARACTERS = 500;

/** What a leaf alone shows of its key pair. */
export const describedLeaf = (
  der: Uint8Array,
  { spki, issuer, notBefore, notAfter }: CertificateFields,
): Omit<CertificateKey, "keyType"> => ({
  fingerprintSha256: sha256Hex(der),
  spkiPin: spkiPinOf(spki),
  issuer: [...distinguishedName(issuer, { characters: "unicode" })].slice(0, ISSUER_CHARACTERS).join(""),
  notBefore: timestamp(notBefore),
  notAfter: timestamp(notAfter),
});

/**
 * The secret side, as it goes to the vault: written anew from DER, so that no text of the upload comes along.
 */
export const keyMaterial = ({ chain, privateKey }: KeyPair, keyType: KeyType): KeyMaterial => ({
  keyType,
  privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  certificateChainPem: [chain.leaf, ...chain.issuers].map(({ der }) => writePem("CERTIFICATE", der)).join(""),
});
