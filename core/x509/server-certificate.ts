/** A server certificate with its chain and key, however it came, checked as a whole. */

import type { KeyObject } from "node:crypto";
import { timestamp } from "../clock.ts";
import { InvalidInput, type Issue, RuleViolation } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { splitChains, weaknessIssues, type CertificateChain } from "./certificate-chain.ts";
import { certificateKey, keyMaterial, pairKeys, type KeyPair } from "./key-pair.ts";
import { isEcdsa, type KeyType } from "./key-type.ts";
import { importIssues, leafIssues, leafKeyType } from "./leaf-rules.ts";
import type { NewCertificate } from "./serving-material.ts";
import type { UploadedCertificate } from "./uploaded-certificate.ts";

/** Certificates and keys as they came, in any order. */
export interface UploadedObjects {
  /** Each with the field that it came in. */
  readonly certificates: readonly UploadedCertificate[];
  readonly keys: readonly KeyObject[];
  /** The field that a key is missed or wrong in; null = the keys are already here. */
  readonly keyPointer: string | null;
}

export interface CheckContext {
  readonly nowMs: number;
  /**
   * True = the certificate is served for want of anything better: what some clients can do without is not
   * judged (dates, the mark of a CA, must-staple, names that are none).
   */
  readonly isLastResort?: boolean | undefined;
}

/**
 * Checks and describes a server certificate: what every TLS context of the edge can serve, and nothing else.
 *
 * @throws InvalidInput with a pointer for each issue: keys or signatures too weak or unsupported, no dNSName,
 *   a leaf that is not for servers.
 * @throws RuleViolation when a certificate is expired, not valid yet or does not match its key; too many
 *   names (`CAPS.certificateNames`).
 */
export function checkedCertificate(uploaded: UploadedObjects, context: CheckContext): NewCertificate {
  const { certificates, keys, keyPointer } = uploaded;
  const { nowMs, isLastResort = false } = context;
  const { chains, leftOut } = splitChains(certificates, { keys, nowMs });
  throwInvalid(chains.flatMap(({ leaf }) => leafIssues(leaf)));
  if (!isLastResort) throwInvalid(chains.flatMap(({ leaf }) => importIssues(leaf)));
  throwInvalid([...chains.flatMap(weaknessIssues), ...setIssues(chains)]);
  const paired = pairKeys(chains, { keys, keyPointer });
  const dates = isLastResort
    ? []
    : chains
        .flatMap(({ leaf, issuers, root }) => [leaf, ...issuers, ...(root === null ? [] : [root])])
        .flatMap((certificate) => dateIssues(certificate, nowMs));
  const violations = [...chains.flatMap(nameCountIssues), ...paired.issues, ...dates];
  if (violations.length > 0) throw new RuleViolation(violations);
  return { ...newCertificate(paired.pairs), ...(leftOut.length === 0 ? {} : { leftOut }) };
}

/** What is wrong with the leaves together. */
function setIssues(chains: readonly CertificateChain[]): readonly Issue[] {
  const pointer = chains[0]?.leaf.pointer ?? "";
  const ecdsa = chains.filter(({ leaf }) => leaf.x509.publicKey.asymmetricKeyType === "ec").length;
  if (ecdsa > 1 || chains.length - ecdsa > 1) {
    return [
      {
        pointer,
        code: "two-of-one-kind",
        message: "holds more than one ECDSA and one RSA certificate of its keys",
      },
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
    keys: described.map(({ pair, keyType }) => certificateKey(pair.chain, keyType)),
    names: sharedNames(pairs.map(({ chain }) => chain)),
    material: { keys: described.map(({ pair, keyType }) => keyMaterial(pair, keyType)) },
  };
}

function servedKeyType(leaf: UploadedCertificate): KeyType {
  const keyType = leafKeyType(leaf);
  if (typeof keyType === "string") return keyType;
  throw invalid([{ pointer: leaf.pointer, ...keyType }]);
}

export function throwInvalid(issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalid(issues);
}

export const invalid = (issues: readonly Issue[]): InvalidInput =>
  new InvalidInput("the certificate cannot be used", issues);

function dateIssues({ fields, pointer, position }: UploadedCertificate, nowMs: number): readonly Issue[] {
  const which = `certificate ${String(position)}`;
  if (fields.notAfter <= nowMs) {
    return [{ pointer, code: "expired", message: `${which} expired at ${timestamp(fields.notAfter)}` }];
  }
  if (fields.notBefore <= nowMs) return [];
  const message = `${which} is not valid before ${timestamp(fields.notBefore)}`;
  return [{ pointer, code: "not-yet-valid", message }];
}
