/** An uploaded certificate with its chain and key, checked as a whole. */

import { timestamp } from "../clock.ts";
import { createPrivateKey, type KeyObject } from "node:crypto";
import { InvalidInput, RuleViolation, TooLarge, type Issue } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { splitChains, weaknessIssues, type CertificateChain } from "./certificate-chain.ts";
import { belongsTo, certificateKey, keyMaterial, pairKeys, type KeyPair } from "./key-pair.ts";
import { isEcdsa, type KeyType, keyTypeOf, type KeyProblem } from "./key-type.ts";
import { readPem } from "./pem.ts";
import { readPrivateKeys } from "./private-key.ts";
import type { NewCertificate, KeyMaterial } from "./serving-material.ts";
import { readCertificates, type UploadedCertificate } from "./uploaded-certificate.ts";

/** A server certificate as it is uploaded. */
export interface PemBundle {
  /** The leaf, alone or with its chain; or an ECDSA and an RSA leaf, each with its chain. */
  readonly certificatePem: string;
  /** Intermediates in order. */
  readonly chainPem?: string | undefined;
  /** One key for each leaf. May be absent when `existingKeys` holds it. */
  readonly privateKeyPem?: string | undefined;
  readonly privateKeyPassphrase?: string | undefined;
}

export interface PemBundleContext {
  readonly nowMs: number;
  /** True = dates are not judged: what is given is served for want of anything better. */
  readonly takesAnyDate?: boolean | undefined;
  /** Keys that the certificate already has, for new material without a key. */
  readonly existingKeys?: readonly Pick<KeyMaterial, "privateKeyPem">[] | undefined;
}

/**
 * Reads and checks a server certificate: what every TLS context of the edge can serve, and nothing else.
 * No message holds anything of a key or passphrase.
 *
 * @throws InvalidInput with a pointer for each issue: not PEM, the wrong kind of object, a passphrase that is
 *   missing or wrong, keys or signatures too weak or unsupported, no dNSName, a leaf that is not the first.
 * @throws RuleViolation when a certificate is expired, not valid yet or does not match its key; too many of
 *   anything (names: `CAPS.certificateNames`).
 * @throws TooLarge when a field is over its cap.
 */
export function parsePemBundle(bundle: PemBundle, context: PemBundleContext): NewCertificate {
  checkSizes(bundle);
  const certificates = readBundleCertificates(bundle);
  const keys = readBundleKeys(bundle, context);
  throwInvalid(leafOutOfPlace(certificates, keys));
  const { chains, leftOut } = splitChains(certificates, { keys, nowMs: context.nowMs });
  throwInvalid(chains.flatMap(({ leaf }) => leafIssues(leaf)));
  throwInvalid([...chains.flatMap(weaknessIssues), ...setIssues(chains)]);
  const paired = pairKeys(chains, { keys, uploaded: bundle.privateKeyPem !== undefined });
  const dates =
    context.takesAnyDate === true
      ? []
      : chains
          .flatMap(({ leaf, issuers }) => [leaf, ...issuers])
          .flatMap((certificate) => dateIssues(certificate, context.nowMs));
  const violations = [...chains.flatMap(nameCountIssues), ...paired.issues, ...dates];
  if (violations.length > 0) throw new RuleViolation(violations);
  return { ...newCertificate(paired.pairs), ...(leftOut.length === 0 ? {} : { leftOut }) };
}

const FIELDS = [
  { field: "certificatePem", pointer: "/certificatePem" },
  { field: "chainPem", pointer: "/chainPem" },
  { field: "privateKeyPem", pointer: "/privateKeyPem" },
  { field: "privateKeyPassphrase", pointer: "/privateKeyPassphrase" },
] as const;

function checkSizes(bundle: PemBundle): void {
  const max = CAPS.certificatePemBytes;
  const issues = FIELDS.filter(({ field }) => Buffer.byteLength(bundle[field] ?? "") > max).map(
    ({ pointer }): Issue => ({ pointer, code: "too-large", message: `is over ${String(max)} bytes` }),
  );
  if (issues.length > 0) throw new TooLarge("the certificate is too large", issues);
}

function readBundleCertificates(bundle: PemBundle): readonly UploadedCertificate[] {
  const fields = FIELDS.slice(0, 2).flatMap(({ field, pointer }) => {
    const text = bundle[field];
    return text === undefined ? [] : [{ pointer, ...readPem(text, pointer) }];
  });
  throwInvalid(fields.flatMap(({ issues }) => issues));
  if (fields.flatMap(({ blocks }) => blocks).length > CAPS.certificatesInPem) {
    const message = `more than ${String(CAPS.certificatesInPem)} certificates`;
    const pointer = fields.at(-1)?.pointer ?? "";
    throw new RuleViolation([{ pointer, code: "too-many-certificates", message }]);
  }
  const read = fields.map(({ blocks, pointer }) => readCertificates(blocks, pointer));
  throwInvalid(read.flatMap(({ issues }) => issues));
  return read.flatMap(({ certificates }) => certificates);
}

function readBundleKeys(bundle: PemBundle, context: PemBundleContext): readonly KeyObject[] {
  const { privateKeyPem, privateKeyPassphrase } = bundle;
  if (privateKeyPem !== undefined) {
    const { keys, issues } = readPrivateKeys({ privateKeyPem, privateKeyPassphrase });
    throwInvalid(issues);
    return keys;
  }
  const keys = (context.existingKeys ?? []).map((key) => createPrivateKey(key.privateKeyPem));
  if (keys.length > 0) return keys;
  throw invalid([{ pointer: "/privateKeyPem", code: "required", message: "the private key is needed" }]);
}

/** The commonest slip gets its own words: the key's certificate is there, but not in front. */
function leafOutOfPlace(
  certificates: readonly UploadedCertificate[],
  keys: readonly KeyObject[],
): readonly Issue[] {
  const leaf = certificates.find((certificate) => keys.some((key) => belongsTo(key, certificate)));
  if (leaf === undefined || leaf === certificates[0]) return [];
  const message = "the certificate of this key must be the first in /certificatePem";
  return [{ pointer: leaf.pointer, code: "leaf-not-first", message }];
}

/** What is wrong with the leaves together. */
function setIssues(chains: readonly CertificateChain[]): readonly Issue[] {
  const pointer = "/certificatePem";
  const ecdsa = chains.filter(({ leaf }) => leaf.x509.publicKey.asymmetricKeyType === "ec").length;
  if (ecdsa > 1 || chains.length - ecdsa > 1) {
    return [
      { pointer, code: "two-of-one-kind", message: "holds more than one ECDSA and one RSA certificate" },
    ];
  }
  const count = sharedNames(chains).length;
  if (count === 0)
    return [{ pointer, code: "no-names", message: "its certificates have no dNSName in common" }];
  return [];
}

function nameCountIssues({ leaf }: CertificateChain): readonly Issue[] {
  if (leaf.fields.dnsNames.length <= CAPS.certificateNames) return [];
  const message = `certificate ${String(leaf.position)} has more than ${String(CAPS.certificateNames)} dNSNames`;
  return [{ pointer: leaf.pointer, code: "too-many-names", message }];
}

function sharedNames(chains: readonly CertificateChain[]): readonly string[] {
  const [first = [], ...others] = chains.map(({ leaf }) => leaf.fields.dnsNames);
  const sets = others.map((names) => new Set(names));
  return first.filter((name) => sets.every((names) => names.has(name)));
}

function newCertificate(pairs: readonly KeyPair[]): NewCertificate {
  const described = pairs
    .map((pair) => ({ pair, keyType: servedKeyType(pair.chain.leaf) }))
    .toSorted((a, b) => Number(isEcdsa(b.keyType)) - Number(isEcdsa(a.keyType)));
  return {
    keys: described.map(({ pair, keyType }) => certificateKey(pair.chain.leaf, keyType)),
    names: sharedNames(pairs.map(({ chain }) => chain)),
    material: { keys: described.map(({ pair, keyType }) => keyMaterial(pair, keyType)) },
  };
}

function servedKeyType(leaf: UploadedCertificate): KeyType {
  const keyType = leafKeyType(leaf);
  if (typeof keyType === "string") return keyType;
  throw invalid([{ pointer: leaf.pointer, ...keyType }]);
}

function throwInvalid(issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalid(issues);
}

const invalid = (issues: readonly Issue[]): InvalidInput =>
  new InvalidInput("the certificate cannot be used", issues);

const SERVER_AUTH = ["1.3.6.1.5.5.7.3.1", "2.5.29.37.0"];

/** What keeps a leaf from serving any host at all, its dates and key apart. */
function leafIssues(leaf: UploadedCertificate): readonly Issue[] {
  const { pointer, x509, fields } = leaf;
  const issues: Issue[] = [];
  const keyType = leafKeyType(leaf);
  if (typeof keyType !== "string") issues.push({ pointer, ...keyType });
  if (fields.dnsNames.length === 0) {
    const message = "has no dNSName in its subjectAltName; the common name is not used";
    issues.push({ pointer, code: "no-names", message });
  }
  // Node shows extended key usages under this name; undefined = no such extension, so every purpose.
  if (x509.keyUsage !== undefined && !x509.keyUsage.some((purpose) => SERVER_AUTH.includes(purpose))) {
    const message = "is not for servers: its extended key usage lacks serverAuth";
    issues.push({ pointer, code: "not-for-servers", message });
  }
  return issues;
}

/** The type of a leaf's public key, or why it cannot be served. */
function leafKeyType({ x509 }: UploadedCertificate): KeyType | KeyProblem {
  try {
    return keyTypeOf(x509.publicKey);
  } catch {
    return { code: "unsupported-key", message: "its public key is of a kind that OpenSSL does not know" };
  }
}

function dateIssues({ fields, pointer, position }: UploadedCertificate, nowMs: number): readonly Issue[] {
  const which = `certificate ${String(position)}`;
  if (fields.notAfter <= nowMs) {
    return [{ pointer, code: "expired", message: `${which} expired at ${timestamp(fields.notAfter)}` }];
  }
  if (fields.notBefore <= nowMs) return [];
  const message = `${which} is not valid before ${timestamp(fields.notBefore)}`;
  return [{ pointer, code: "not-yet-valid", message }];
}
