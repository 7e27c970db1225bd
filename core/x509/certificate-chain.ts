/** Chains of an uploaded bundle: split by leaf, ordered, and without what clients do not need. */

import { readPem } from "./pem.ts";
import { type KeyObject, X509Certificate } from "node:crypto";
import { timestamp } from "../clock.ts";
import type { Issue } from "../errors.ts";
import { sha256Hex } from "./certificate-fields.ts";
import { distinguishedName } from "./distinguished-name.ts";
import type { IssueCode } from "../issue-code.ts";
import { chainKeyProblem } from "./key-strength.ts";
import type { LeftOutCertificate } from "./serving-material.ts";
import { isStrongSignature } from "./signature-algorithm.ts";
import { isIssuedBy, type UploadedCertificate } from "./uploaded-certificate.ts";

/** A leaf and the certificates above it, in order, without a root. */
export interface CertificateChain {
  readonly leaf: UploadedCertificate;
  readonly issuers: readonly UploadedCertificate[];
  /** The root above them, which is judged and not served; null = none came with them. */
  readonly root: UploadedCertificate | null;
  /** The leaf is not self-signed, and its issuer did not come with it. */
  readonly issuerMissing: boolean;
}

/**
 * Finds the chain of each leaf in an upload: leaves by the keys, in any field and order, and the certificates
 * above them by their signatures. A chain ends below a root, and below the first certificate above the
 * leaf's own issuer that is not within its dates: clients that trust what is below need no more
 * (docs/adr/0021). Copies are passed over: a full chain and its chain are often sent together.
 */
export function splitChains(
  certificates: readonly UploadedCertificate[],
  { keys, nowMs }: { readonly keys: readonly KeyObject[]; readonly nowMs: number },
): { chains: readonly CertificateChain[]; leftOut: readonly LeftOutCertificate[] } {
  const distinct = [
    ...new Map(certificates.toReversed().map((each) => [each.x509.fingerprint256, each])).values(),
  ].toReversed();
  const byKey = new Set(keys.flatMap((key) => leavesOf(key, distinct, nowMs)));
  const leaves = byKey.size > 0 ? distinct.filter((each) => byKey.has(each)) : endEntity(distinct);
  const others = distinct.filter((certificate) => !leaves.includes(certificate));
  const paths = leaves.map((leaf) => pathFrom(leaf, others, nowMs));
  const served = new Set(paths.flatMap(({ issuers }) => issuers));
  const ends = new Map(paths.flatMap(({ end }) => (end === null ? [] : [[end.certificate, end.reason]])));
  return {
    chains: paths.map(({ leaf, issuers, root, end }) => ({
      leaf,
      issuers,
      root,
      issuerMissing: issuers.length === 0 && end === null && !isSelfSigned(leaf),
    })),
    leftOut: others
      .filter((certificate) => !served.has(certificate))
      .map((certificate) => leftOut(certificate, ends.get(certificate) ?? "not-needed")),
  };
}

/**
 * The certificates of a key that may be served. Of several, those of the first field, and of these the ones
 * within their dates: a file may still hold the certificate before.
 */
function leavesOf(
  key: KeyObject,
  certificates: readonly UploadedCertificate[],
  nowMs: number,
): readonly UploadedCertificate[] {
  const all = certificates.filter(({ x509 }) => x509.checkPrivateKey(key));
  const first = all.filter(({ pointer }) => pointer === all[0]?.pointer);
  const current = first.filter((certificate) => dateFault(certificate, nowMs) === null);
  return current.length > 0 ? current : first.slice(0, 1);
}

/** The certificate that an upload without its key is about: one that issued no other, rather no CA. */
function endEntity(certificates: readonly UploadedCertificate[]): readonly UploadedCertificate[] {
  const ends = certificates.filter(
    (end) => !certificates.some((other) => other !== end && isIssuedBy(other, end)),
  );
  const leaf = ends.find(({ x509 }) => !x509.ca) ?? ends[0] ?? certificates[0];
  return leaf === undefined ? [] : [leaf];
}

function isSelfSigned({ x509, fields }: UploadedCertificate): boolean {
  if (Buffer.compare(fields.subject, fields.issuer) !== 0) return false;
  try {
    return x509.verify(x509.publicKey);
  } catch {
    // A key or algorithm that OpenSSL does not know.
    return false;
  }
}

type LeftOutReason = LeftOutCertificate["reason"];

interface Path extends Pick<CertificateChain, "leaf" | "issuers" | "root"> {
  /** The certificate at which the chain was cut; null = it ends by itself. */
  readonly end: { readonly certificate: UploadedCertificate; readonly reason: LeftOutReason } | null;
}

function pathFrom(leaf: UploadedCertificate, others: readonly UploadedCertificate[], nowMs: number): Path {
  const issuers: UploadedCertificate[] = [];
  for (let last = leaf; !isIssuedBy(last, last); ) {
    const below = last;
    const found = others.filter((each) => !issuers.includes(each) && isIssuedBy(below, each));
    // Of a CA's certificates for one key, such as its own and cross-signed ones, one within its dates.
    const next = found.find((each) => dateFault(each, nowMs) === null) ?? found[0];
    if (next === undefined) break;
    const fault = dateFault(next, nowMs);
    if (issuers.length > 0 && fault !== null)
      return { leaf, issuers, root: null, end: { certificate: next, reason: fault } };
    if (isIssuedBy(next, next))
      return { leaf, issuers, root: next, end: { certificate: next, reason: "root" } };
    issuers.push(next);
    last = next;
  }
  return { leaf, issuers, root: null, end: null };
}

function dateFault({ fields }: UploadedCertificate, nowMs: number): "expired" | "not-yet-valid" | null {
  if (fields.notAfter <= nowMs) return "expired";
  return fields.notBefore > nowMs ? "not-yet-valid" : null;
}

const leftOut = ({ der, fields }: UploadedCertificate, reason: LeftOutReason): LeftOutCertificate => ({
  subject: distinguishedName(fields.subject, { characters: "unicode" }),
  fingerprintSha256: sha256Hex(der),
  notAfter: timestamp(fields.notAfter),
  reason,
});

/**
 * What OpenSSL at security level 2 would refuse to serve, and keys that peers cannot read (the leaf's is
 * judged by its type too).
 */
export function weaknessIssues({ leaf, issuers, root }: CertificateChain): readonly Issue[] {
  const weakSignature = [leaf, ...issuers]
    .filter((certificate) => !isStrongSignature(certificate.fields.signatureAlgorithm))
    .map((certificate) =>
      weakness(certificate, "weak-signature", "is signed with a weak or unknown algorithm"),
    );
  const badKeys = [leaf, ...issuers, ...(root === null ? [] : [root])].flatMap((certificate) => {
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
