/** Chains of an uploaded bundle: split by leaf, ordered, and without what clients do not need. */

import { readPem } from "./pem.ts";
import { type KeyObject, X509Certificate } from "node:crypto";
import { type Timestamp, timestamp } from "../clock.ts";
import type { Issue } from "../errors.ts";
import { sha256Hex } from "./certificate-fields.ts";
import { distinguishedName } from "./distinguished-name.ts";
import type { IssueCode } from "../issue-code.ts";
import { chainKeyProblem } from "./key-type.ts";
import type { LeftOutCertificate } from "./serving-material.ts";
import { isStrongSignature } from "./signature-algorithm.ts";
import { isIssuedBy, type UploadedCertificate } from "./uploaded-certificate.ts";

/** A leaf and the certificates above it, in order. */
export interface CertificateChain {
  readonly leaf: UploadedCertificate;
  readonly issuers: readonly UploadedCertificate[];
}

const CHAIN_POINTER = "/chainPem";

/**
 * Finds the chain of each leaf in an upload. The first certificate is a leaf, and so is every later one of
 * `/certificatePem` that belongs to one of the keys; each chain is built by signatures from all others, in
 * any order. It ends below the first certificate above the leaf's own issuer that is not within its dates:
 * clients that trust what is below need no more (docs/adr/0021). Copies are passed over: a full chain and its
 * chain are often sent together.
 */
export function splitChains(
  certificates: readonly UploadedCertificate[],
  { keys, nowMs }: { readonly keys: readonly KeyObject[]; readonly nowMs: number },
): { chains: readonly CertificateChain[]; leftOut: readonly LeftOutCertificate[] } {
  const distinct = [
    ...new Map(certificates.toReversed().map((each) => [each.x509.fingerprint256, each])).values(),
  ];
  const ordered = distinct.toReversed();
  const isLeaf = ({ x509, pointer }: UploadedCertificate, at: number): boolean =>
    at === 0 || (pointer !== CHAIN_POINTER && keys.some((key) => x509.checkPrivateKey(key)));
  const others = ordered.filter((certificate, at) => !isLeaf(certificate, at));
  const paths = ordered.filter(isLeaf).map((leaf) => pathFrom(leaf, others, nowMs));
  const served = new Set(paths.flatMap(({ issuers }) => issuers));
  const ends = new Set(paths.map(({ outOfDate }) => outOfDate));
  return {
    chains: paths.map(({ leaf, issuers }) => ({ leaf, issuers })),
    leftOut: others
      .filter((certificate) => !served.has(certificate))
      .map((certificate) =>
        leftOut(certificate, ends.has(certificate) ? dateFault(certificate, nowMs) : null),
      ),
  };
}

/** @returns `outOfDate` the certificate at which the chain was cut; null = it ends by itself. */
function pathFrom(
  leaf: UploadedCertificate,
  others: readonly UploadedCertificate[],
  nowMs: number,
): CertificateChain & { readonly outOfDate: UploadedCertificate | null } {
  const issuers: UploadedCertificate[] = [];
  for (let last = leaf; !isIssuedBy(last, last); ) {
    const below = last;
    const found = others.filter((each) => !issuers.includes(each) && isIssuedBy(below, each));
    // Of a CA's certificates for one key, such as its own and cross-signed ones, one within its dates.
    const next = found.find((each) => dateFault(each, nowMs) === null) ?? found[0];
    if (next === undefined) break;
    if (issuers.length > 0 && dateFault(next, nowMs) !== null) return { leaf, issuers, outOfDate: next };
    issuers.push(next);
    last = next;
  }
  return { leaf, issuers, outOfDate: null };
}

function dateFault({ fields }: UploadedCertificate, nowMs: number): "expired" | "not-yet-valid" | null {
  if (fields.notAfter <= nowMs) return "expired";
  return fields.notBefore > nowMs ? "not-yet-valid" : null;
}

const leftOut = (
  { der, fields }: UploadedCertificate,
  fault: ReturnType<typeof dateFault>,
): LeftOutCertificate => ({
  subject: distinguishedName(fields.subject, { characters: "unicode" }),
  fingerprintSha256: sha256Hex(der),
  notAfter: timestamp(fields.notAfter),
  reason: fault ?? "not-needed",
});

/**
 * What OpenSSL at security level 2 would refuse to serve, and keys that peers cannot read (the leaf's is
 * judged by its type too).
 */
export function weaknessIssues({ leaf, issuers }: CertificateChain): readonly Issue[] {
  const weakSignature = [leaf, ...issuers.filter((issuer) => !isIssuedBy(issuer, issuer))]
    .filter((certificate) => !isStrongSignature(certificate.fields.signatureAlgorithm))
    .map((certificate) =>
      weakness(certificate, "weak-signature", "is signed with a weak or unknown algorithm"),
    );
  const badKeys = [leaf, ...issuers].flatMap((certificate) => {
    const problem = chainKeyProblem(certificate.x509.publicKey, certificate.fields.spki);
    return problem === null ? [] : [weakness(certificate, problem.code, problem.message)];
  });
  return [...weakSignature, ...badKeys];
}

const weakness = (certificate: UploadedCertificate, code: IssueCode, what: string): Issue => ({
  pointer: certificate.pointer,
  code,
  message: `certificate ${String(certificate.position)} ${what}`,
});

/**
 * What of an exported chain goes out after the leaf: each certificate that issued the one before, in order,
 * without a root at its end, which clients have or do not trust. ACM's chain holds more: roots, and
 * cross-signed ones.
 *
 * @returns PEM, empty when nothing continues the leaf.
 */
export function continuingChain(leafPem: string, chainPem: string): string {
  let last = new X509Certificate(leafPem);
  const kept: string[] = [];
  for (const { text } of readPem(chainPem, "/chainPem").blocks) {
    const next = new X509Certificate(text);
    if (!isIssued(last, next)) break;
    if (isIssued(next, next)) break;
    kept.push(next.toString());
    last = next;
  }
  return kept.join("");
}

const isIssued = (certificate: X509Certificate, by: X509Certificate): boolean =>
  certificate.checkIssued(by) && certificate.verify(by.publicKey);
