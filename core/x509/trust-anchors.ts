/** Trust anchors and CRLs of a trust store, as uploaded and as kept. */

import * as z from "zod";
import { parseStoredJson } from "../stored-json.ts";
import { timestamp, type Timestamp } from "../clock.ts";
import { schemaOf } from "../same-fields.ts";
import { InvalidInput, RuleViolation, TooLarge, type Issue, Unreadable } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import { CAPS } from "../limits.ts";
import { sha256Hex } from "./certificate-fields.ts";
import { anchorLimits, type AnchorLimits } from "./anchor-limits.ts";
import { comparableName, distinguishedName } from "./distinguished-name.ts";
import { chainKeyProblem } from "./key-strength.ts";
import { kindOf, type PemBlock, readPem, writePem } from "./pem.ts";
import { readRevocationList, type RevocationList } from "./revocation-list.ts";
import { isSignedBy, isStrongSignature } from "./signature-algorithm.ts";
import { namesUses, readCertificates, type UploadedCertificate } from "./uploaded-certificate.ts";

/** One trust anchor, for people: what a trust store shows of a certificate in it. */
export interface TrustAnchor {
  /** RFC 4514 text, control characters escaped. */
  readonly subject: string;
  readonly fingerprintSha256: string;
  readonly notBefore: Timestamp;
  readonly notAfter: Timestamp;
  /**
   * nextUpdate of the newest CRL in the store that this anchor's key signed; null = the store has CRLs and
   * none is of this anchor. Absent = the store has no CRLs, or was written by a release that did not look.
   */
  readonly crlUntil?: Timestamp | null;
  /** Absent = a CA without limits, or written by a release that did not look. */
  readonly limits?: AnchorLimits;
}

/** One CRL, for people and for warnings. */
export interface CrlSummary {
  readonly issuer: string;
  readonly thisUpdate: Timestamp;
  /** A CRL without nextUpdate is refused when written. */
  readonly nextUpdate: Timestamp;
}

/** What the object named by `contentSha256` holds, as JSON. */
export interface TrustStoreContent {
  readonly certificatesPem: string;
  readonly crlPem: string | null;
}

/** A trust store as it is written. */
export interface TrustStoreUpload {
  readonly certificatesPem: string;
  readonly crlPem?: string | null | undefined;
}

/** A trust store, checked, and not stored yet. */
export interface NewTrustStore {
  readonly anchors: readonly TrustAnchor[];
  readonly crls: readonly CrlSummary[];
  readonly content: TrustStoreContent;
  /** `content` as JSON: the object `trust/<contentSha256>`. */
  readonly contentBytes: Uint8Array;
  readonly contentSha256: string;
}

const CERTIFICATES = "/certificatesPem";
const CRLS = "/crlPem";

/**
 * Reads and checks the certificates and CRLs of a trust store. Any certificate may be an anchor: a root, an
 * intermediate, one client's own (`anchorLimits`). Copies are folded; an expired anchor is taken, and vouches
 * for no client.
 *
 * A CRL of a CA in the store must be signed by it. One of another issuer is taken as it is: CAs below the
 * roots come with the clients, and OpenSSL checks the signature when it uses the list. Whether every CA below
 * the roots has its CRL cannot be known here; where one is missing, no client below that CA is accepted.
 *
 * @throws InvalidInput with a pointer for each issue: not PEM, the wrong kind of object, weak RSA keys, CRLs
 *   that are unreadable, without nextUpdate, deltas, or signed by another key.
 * @throws RuleViolation when a CRL is out of date, or stands beside an anchor that is no root; when no anchor
 *   has a CRL while others have, or a CA below them has only CRLs that are for no certificate; too many
 *   certificates.
 * @throws TooLarge when a field is over its cap.
 */
export function parseTrustStore(
  upload: TrustStoreUpload,
  { nowMs }: { readonly nowMs: number },
): NewTrustStore {
  checkSizes(upload);
  const certificates = readAnchors(upload.certificatesPem);
  const lists = upload.crlPem === undefined || upload.crlPem === null ? [] : readLists(upload.crlPem);
  throwInvalid(lists.flatMap((list, at) => signatureIssues({ list, position: at + 1 }, certificates)));
  const violations = [
    ...lists.flatMap((list, at) => dateIssues({ list, position: at + 1 }, nowMs)),
    ...(lists.length === 0 ? [] : certificates.flatMap(rootIssues)),
    ...coverageIssues(certificates, lists),
    ...uselessIssues(certificates, lists),
  ];
  if (violations.length > 0) throw new RuleViolation(violations);
  return newTrustStore(certificates, lists);
}

function checkSizes(upload: TrustStoreUpload): void {
  const fields = [
    { pointer: CERTIFICATES, text: upload.certificatesPem, max: CAPS.trustStoreBytes },
    { pointer: CRLS, text: upload.crlPem ?? "", max: CAPS.crlBytes },
  ];
  const issues = fields
    .filter(({ text, max }) => Buffer.byteLength(text) > max)
    .map(
      ({ pointer, max }): Issue => ({ pointer, code: "too-large", message: `is over ${String(max)} bytes` }),
    );
  if (issues.length > 0) throw new TooLarge("the trust store is too large", issues);
}

function readAnchors(text: string): readonly UploadedCertificate[] {
  const { blocks, issues } = readPem(text, CERTIFICATES);
  throwInvalid(issues);
  if (blocks.length > CAPS.trustStoreCertificates) {
    const message = `holds more than ${String(CAPS.trustStoreCertificates)} certificates`;
    throw new RuleViolation([{ pointer: CERTIFICATES, code: "too-many-certificates", message }]);
  }
  const read = readCertificates(blocks, CERTIFICATES);
  throwInvalid([...read.issues, ...blocks.flatMap(usesIssues)]);
  throwInvalid(read.certificates.flatMap(weaknessIssues));
  return [...new Map(read.certificates.map((each) => [each.x509.fingerprint256, each])).values()];
}

/** Left out, the uses that a certificate is limited to would widen whom it vouches for. */
function usesIssues(block: PemBlock, at: number): readonly Issue[] {
  if (!namesUses(block)) return [];
  const message = `certificate ${String(at + 1)} is in OpenSSL's trusted form and limited to uses, which are not kept here; \`openssl x509\` writes it without them`;
  return [{ pointer: CERTIFICATES, code: "trusted-uses", message }];
}

/** A key that no chain may have vouches for no one; the signature of an anchor is not looked at. */
function weaknessIssues({ x509, fields, position }: UploadedCertificate): readonly Issue[] {
  const which = `certificate ${String(position)}`;
  try {
    const problem = chainKeyProblem(x509.publicKey, fields.spki);
    if (problem === null) return [];
    return [{ pointer: CERTIFICATES, code: problem.code, message: `${which} ${problem.message}` }];
  } catch {
    const message = `${which} has a public key of a kind that OpenSSL does not know`;
    return [{ pointer: CERTIFICATES, code: "unsupported-key", message }];
  }
}

function readLists(text: string): readonly RevocationList[] {
  const { blocks, issues } = readPem(text, CRLS);
  throwInvalid(issues);
  const stranger = blocks.find(({ label }) => label !== "X509 CRL");
  if (stranger !== undefined) {
    const message = `holds ${kindOf(stranger.label)}; only CRLs belong here`;
    throw invalid([{ pointer: CRLS, code: "wrong-kind", message }]);
  }
  const lists = blocks.map(({ der }) => readList(der));
  const unreadable = lists.indexOf(null);
  if (unreadable === -1) return lists.filter((list) => list !== null);
  const message = `CRL ${String(unreadable + 1)} cannot be read: it is no X.509 CRL in DER`;
  throw invalid([{ pointer: CRLS, code: "unreadable-crl", message }]);
}

function readList(der: Uint8Array | null): RevocationList | null {
  if (der === null) return null;
  try {
    return readRevocationList(der);
  } catch {
    return null;
  }
}

interface PlacedList {
  readonly list: RevocationList;
  /** Counted from 1. */
  readonly position: number;
}

/** What is wrong with a CRL whatever the date. */
function signatureIssues(
  { list, position }: PlacedList,
  anchors: readonly UploadedCertificate[],
): readonly Issue[] {
  const issue = (code: IssueCode, what: string): readonly Issue[] => [
    { pointer: CRLS, code, message: `CRL ${String(position)} ${what}` },
  ];
  if (list.nextUpdate === null)
    return issue("no-next-update", "has no nextUpdate, so when it becomes stale is not known");
  if (list.delta) return issue("delta-crl", "is a delta CRL; a complete one is needed");
  if (!isStrongSignature(list.algorithm))
    return issue("weak-signature", "is signed with a weak or unknown algorithm");
  const issuer = comparableName(list.issuer);
  const candidates = anchors.filter(({ fields }) => comparableName(fields.subject) === issuer);
  if (candidates.length === 0) return [];
  if (candidates.some(({ x509 }) => isSignedBy(list, x509.publicKey))) return [];
  return issue("bad-signature", "is not signed by the certificate in this store that has its issuer's name");
}

function dateIssues({ list, position }: PlacedList, nowMs: number): readonly Issue[] {
  const which = `CRL ${String(position)}`;
  if (list.nextUpdate !== null && list.nextUpdate <= nowMs) {
    const message = `${which} is stale: its nextUpdate was ${timestamp(list.nextUpdate)}`;
    return [{ pointer: CRLS, code: "expired", message }];
  }
  if (list.thisUpdate <= nowMs) return [];
  const message = `${which} is not valid before ${timestamp(list.thisUpdate)}`;
  return [{ pointer: CRLS, code: "not-yet-valid", message }];
}

/**
 * With CRLs OpenSSL also asks whether the anchor itself is revoked, which only the CRL of a self-issued one
 * can say (measured: error 3 or 8 for every client below an intermediate in the store).
 */
function rootIssues({ fields, position }: UploadedCertificate): readonly Issue[] {
  if (Buffer.compare(fields.subject, fields.issuer) === 0) return [];
  const message = `certificate ${String(position)} is no root: with CRLs only self-signed certificates can be anchors`;
  return [{ pointer: CERTIFICATES, code: "not-a-root", message }];
}

/**
 * With CRLs OpenSSL wants one of every CA on the path, so an anchor without one lets no client below it pass.
 */
function coverageIssues(
  anchors: readonly UploadedCertificate[],
  lists: readonly RevocationList[],
): readonly Issue[] {
  if (lists.length === 0 || anchors.some((anchor) => crlUntil(anchor, lists) !== null)) return [];
  const message =
    "no complete CRL is of a certificate in this store: with CRLs each CA needs one that its own certificate is in the scope of, so nothing could pass";
  return [{ pointer: CRLS, code: "crl-missing", message }];
}

/**
 * A CA below the roots whose only CRLs are of no use: none of its clients could pass. Those of anchors show
 * in `crlUntil`.
 */
function uselessIssues(
  anchors: readonly UploadedCertificate[],
  lists: readonly RevocationList[],
): readonly Issue[] {
  const served = new Set([
    ...anchors.map(({ fields }) => comparableName(fields.subject)),
    ...lists.filter(({ scope }) => scope?.isUseless !== true).map(({ issuer }) => comparableName(issuer)),
  ]);
  return lists.flatMap(({ issuer }, at) => {
    if (served.has(comparableName(issuer))) return [];
    const message = `CRL ${String(at + 1)} is the only kind of its issuer and is for some reasons, other issuers, attribute certificates, or leaves and CAs alone at once: no certificate is checked by it, so no client of that CA could pass`;
    return [{ pointer: CRLS, code: "crl-missing", message }];
  });
}

/**
 * Whether a CRL says something of the CA's own certificate, which OpenSSL asks for as well (measured: error 3
 * or 44 for every client where none does). Distribution points of both are compared by their octets.
 */
function isInScope({ scope }: RevocationList, certificate: Uint8Array): boolean {
  if (scope === null) return true;
  if (scope.leavesOutCas) return false;
  return scope.names === null || Buffer.from(certificate).includes(Buffer.from(scope.names));
}

/** The key tells apart two CAs of one name. */
function crlUntil({ x509, fields }: UploadedCertificate, lists: readonly RevocationList[]): number | null {
  const name = comparableName(fields.subject);
  const own = lists.filter(
    (list) =>
      comparableName(list.issuer) === name && isInScope(list, x509.raw) && isSignedBy(list, x509.publicKey),
  );
  const ends = own.map(({ nextUpdate, thisUpdate }) => nextUpdate ?? thisUpdate);
  return ends.length === 0 ? null : Math.max(...ends);
}

const nameText = (name: Uint8Array): string => distinguishedName(name, { characters: "unicode" });

function newTrustStore(
  anchors: readonly UploadedCertificate[],
  lists: readonly RevocationList[],
): NewTrustStore {
  const crlPem = lists.map(({ der }) => writePem("X509 CRL", der)).join("");
  const content: TrustStoreContent = {
    certificatesPem: anchors.map(({ der }) => writePem("CERTIFICATE", der)).join(""),
    crlPem: lists.length === 0 ? null : crlPem,
  };
  return {
    anchors: anchors.map((anchor) => ({
      subject: nameText(anchor.fields.subject),
      fingerprintSha256: sha256Hex(anchor.der),
      notBefore: timestamp(anchor.fields.notBefore),
      notAfter: timestamp(anchor.fields.notAfter),
      ...crlOf(anchor, lists),
      ...limitsOf(anchor),
    })),
    crls: lists.map(({ issuer, thisUpdate, nextUpdate }) => ({
      issuer: nameText(issuer),
      thisUpdate: timestamp(thisUpdate),
      nextUpdate: timestamp(nextUpdate ?? thisUpdate),
    })),
    ...encodeTrustStoreContent(content),
  };
}

/** `content` with its object and the name of that: of what was read back, the same again. */
export function encodeTrustStoreContent({
  certificatesPem,
  crlPem,
}: TrustStoreContent): Pick<NewTrustStore, "content" | "contentBytes" | "contentSha256"> {
  const content = { certificatesPem, crlPem };
  const contentBytes = Buffer.from(JSON.stringify(content), "utf8");
  return { content, contentBytes, contentSha256: sha256Hex(contentBytes) };
}

function crlOf(anchor: UploadedCertificate, lists: readonly RevocationList[]): Pick<TrustAnchor, "crlUntil"> {
  if (lists.length === 0) return {};
  const until = crlUntil(anchor, lists);
  return { crlUntil: until === null ? null : timestamp(until) };
}

function limitsOf(anchor: UploadedCertificate): Pick<TrustAnchor, "limits"> {
  const limits = anchorLimits(anchor);
  return limits === undefined ? {} : { limits };
}

function throwInvalid(issues: readonly Issue[]): void {
  if (issues.length > 0) throw invalid(issues);
}

const invalid = (issues: readonly Issue[]): InvalidInput =>
  new InvalidInput("the trust store cannot be used", issues);

const CONTENT = schemaOf<TrustStoreContent>()(
  z.object({ certificatesPem: z.string().min(1), crlPem: z.string().nullable() }),
);

/**
 * Reads back what `trust/<sha256>` holds. Fields of later releases are ignored.
 *
 * @throws Unreadable when the bytes are not the content of a trust store.
 */
export function decodeTrustStoreContent(bytes: Uint8Array): TrustStoreContent {
  const parsed = CONTENT.safeParse(parseStoredJson(bytes));
  if (!parsed.success) throw new Unreadable("stored trust-store content cannot be read by this release");
  return parsed.data;
}
