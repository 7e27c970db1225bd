/** Private keys paired with the certificates that they belong to. */

import type { KeyMaterial } from "./serving-material.ts";
import type { CertificateKey, KeyType } from "./key-type.ts";
import { sign, verify, type KeyObject } from "node:crypto";
import { timestamp } from "../clock.ts";
import type { Issue } from "../errors.ts";
import type { CertificateChain } from "./certificate-chain.ts";
import { sha256Hex, spkiPinOf } from "./certificate-fields.ts";
import { writePem } from "./pem.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

/** A chain that can be served, with the key of its leaf. */
export interface KeyPair {
  readonly chain: CertificateChain;
  readonly privateKey: KeyObject;
}

export const belongsTo = (key: KeyObject, certificate: UploadedCertificate): boolean =>
  certificate.x509.checkPrivateKey(key);

/**
 * Finds the key of each chain. `uploaded` says whether the keys came with this request or are already here.
 */
export function pairKeys(
  chains: readonly CertificateChain[],
  { keys, uploaded }: { keys: readonly KeyObject[]; uploaded: boolean },
): { pairs: readonly KeyPair[]; issues: readonly Issue[] } {
  const pairs = chains.flatMap((chain) => {
    const privateKey = keys.find((key) => isPair(key, chain.leaf));
    return privateKey === undefined ? [] : [{ chain, privateKey }];
  });
  if (pairs.length < chains.length) return { pairs, issues: [uploaded ? MISMATCH : NO_KEY_HERE] };
  const idle = uploaded && keys.length > pairs.length;
  return { pairs, issues: idle ? [IDLE_KEY] : [] };
}

const MISMATCH: Issue = {
  pointer: "/privateKeyPem",
  code: "key-mismatch",
  message: "the private key does not belong to the certificate",
};
const NO_KEY_HERE: Issue = {
  pointer: "/certificatePem",
  code: "key-mismatch",
  message: "the stored private key does not belong to the certificate: send its private key",
};
const IDLE_KEY: Issue = {
  pointer: "/privateKeyPem",
  code: "key-mismatch",
  message: "one of the private keys belongs to no certificate",
};

/**
 * Compares the public halves, then signs once: a key file may carry the right public half and a damaged
 * secret.
 */
function isPair(key: KeyObject, leaf: UploadedCertificate): boolean {
  if (!belongsTo(key, leaf)) return false;
  const message = Buffer.from("does this key sign?");
  try {
    return verify("sha256", message, leaf.x509.publicKey, sign("sha256", message, key));
  } catch {
    return false;
  }
}

/** The public side, as it is stored and shown. */
export const certificateKey = (leaf: UploadedCertificate, keyType: KeyType): CertificateKey => ({
  keyType,
  fingerprintSha256: sha256Hex(leaf.der),
  spkiPin: spkiPinOf(leaf.fields.spki),
  notBefore: timestamp(leaf.fields.notBefore),
  notAfter: timestamp(leaf.fields.notAfter),
});

/**
 * The secret side, as it goes to the vault: written anew from DER, so that no text of the upload comes along.
 */
export const keyMaterial = ({ chain, privateKey }: KeyPair, keyType: KeyType): KeyMaterial => ({
  keyType,
  privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  certificateChainPem: [chain.leaf, ...chain.issuers].map(({ der }) => writePem("CERTIFICATE", der)).join(""),
});
