import type { KeyObject } from "node:crypto";
import type { Issue } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { chainKeyProblem } from "./key-type.ts";
import { isStrongSignature } from "./signature-algorithm.ts";
import { isIssuedBy, type UploadedCertificate } from "./uploaded-certificate.ts";

/** A leaf and the certificates above it, in order. */
export interface CertificateChain {
  readonly leaf: UploadedCertificate;
  readonly issuers: readonly UploadedCertificate[];
}

const CHAIN_POINTER = "/chainPem";

/**
 * Sorts an upload into one chain for each leaf. The first certificate is a leaf, and so is every later one in its
 * field that belongs to one of the keys; what follows a leaf is its chain; `/chainPem` goes to each leaf that it fits.
 */
export function splitChains(
  certificates: readonly UploadedCertificate[],
  keys: readonly KeyObject[],
): { chains: readonly CertificateChain[]; issues: readonly Issue[] } {
  const shared = certificates.filter(({ pointer }) => pointer === CHAIN_POINTER);
  const segments: UploadedCertificate[][] = [];
  for (const certificate of certificates.filter(({ pointer }) => pointer !== CHAIN_POINTER)) {
    const segment = segments.at(-1);
    if (segment === undefined || startsSegment(certificate, { segments, keys })) segments.push([certificate]);
    else if (!isAmong(segment, certificate)) segment.push(certificate);
  }
  const chains = segments.flatMap((segment) => withShared(segment, shared));
  const used = [...segments.flat(), ...chains.flatMap(({ issuers }) => issuers)];
  const issues = [
    ...segments.flatMap(brokenLink),
    ...shared
      .filter((certificate) => !isAmong(used, certificate))
      .map(strayIssue)
      .slice(0, 1),
  ];
  return { chains, issues };
}

/** Copies are passed over: a full chain and its chain are often sent together. */
const isAmong = (
  certificates: readonly UploadedCertificate[],
  { x509: { fingerprint256 } }: UploadedCertificate,
): boolean => certificates.some(({ x509 }) => x509.fingerprint256 === fingerprint256);

function startsSegment(
  certificate: UploadedCertificate,
  { segments, keys }: { segments: readonly UploadedCertificate[][]; keys: readonly KeyObject[] },
): boolean {
  const repeated = segments.some(([leaf]) => leaf?.x509.fingerprint256 === certificate.x509.fingerprint256);
  return !repeated && keys.some((key) => certificate.x509.checkPrivateKey(key));
}

function withShared(
  segment: readonly UploadedCertificate[],
  shared: readonly UploadedCertificate[],
): readonly CertificateChain[] {
  const [leaf, ...issuers] = segment;
  if (leaf === undefined) return [];
  for (const certificate of shared) {
    const isCopy = isAmong([leaf, ...issuers], certificate);
    if (!isCopy && isIssuedBy(issuers.at(-1) ?? leaf, certificate)) issuers.push(certificate);
  }
  return [{ leaf, issuers }];
}

/** The first place in a segment where a certificate is not the issuer of the one before it. */
function brokenLink(segment: readonly UploadedCertificate[]): readonly Issue[] {
  const broken = segment.find((certificate, at) => {
    const before = segment[at - 1];
    return before !== undefined && !isIssuedBy(before, certificate);
  });
  return broken === undefined ? [] : [strayIssue(broken)];
}

const strayIssue = (certificate: UploadedCertificate): Issue => ({
  pointer: certificate.pointer,
  code: "chain-order",
  message:
    `certificate ${String(certificate.position)} is not the issuer of the one before it; ` +
    "the leaf comes first, then each certificate's issuer",
});

/** What OpenSSL at security level 2 would refuse to serve, and keys that peers cannot read (the leaf's is judged by its type too). */
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
