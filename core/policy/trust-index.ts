/** Certificates and CRLs by name, and how many paths they allow. */
import { readCertificateFields, type CertificateFields } from "../x509/certificate-fields.ts";
import { comparableName } from "../x509/distinguished-name.ts";
import { readPem } from "../x509/pem.ts";
import { readRevocationList, type RevocationList } from "../x509/revocation-list.ts";
import type { ResolvedTrust } from "./chain-verifier.ts";

/**
 * A certificate with its names as `comparableName` gives them: equal wherever OpenSSL takes two names for
 * one.
 */
export interface NamedCertificate {
  readonly der: Uint8Array;
  readonly fields: CertificateFields;
  readonly subject: string;
  readonly issuer: string;
}

export interface NamedList {
  readonly list: RevocationList;
  readonly issuer: string;
}

/** Anchors and CRLs of a trust by name. */
export interface TrustIndex {
  readonly anchors: readonly NamedCertificate[];
  readonly anchorsBySubject: ReadonlyMap<string, readonly NamedCertificate[]>;
  readonly lists: readonly NamedList[];
  /** False when an anchor or a CRL cannot be read; it is then in none of the lists. */
  readonly complete: boolean;
}

const indexes = new WeakMap<ResolvedTrust, TrustIndex>();

/** The index of a trust, built once for each. */
export function indexTrust(trust: ResolvedTrust): TrustIndex {
  const known = indexes.get(trust);
  if (known !== undefined) return known;
  const certificates = derOf(trust.anchorsPem).map((der) => namedCertificate(der));
  const lists = derOf(trust.crlsPem).map((der) => namedList(der));
  const anchors = certificates.filter((each) => each !== null);
  const readable = lists.filter((each) => each !== null);
  const index: TrustIndex = {
    anchors,
    anchorsBySubject: Map.groupBy(anchors, ({ subject }) => subject),
    lists: readable,
    complete: anchors.length === trust.anchorsPem.length && readable.length === trust.crlsPem.length,
  };
  indexes.set(trust, index);
  return index;
}

function derOf(texts: readonly string[]): readonly Uint8Array[] {
  const blocks = texts.flatMap((text) => readPem(text, "").blocks);
  return blocks.flatMap(({ der }) => (der === null ? [] : [der]));
}

/** null when the bytes are not one certificate in strict DER. */
export function namedCertificate(der: Uint8Array): NamedCertificate | null {
  try {
    const fields = readCertificateFields(der);
    return { der, fields, subject: comparableName(fields.subject), issuer: comparableName(fields.issuer) };
  } catch {
    return null;
  }
}

function namedList(der: Uint8Array): NamedList | null {
  try {
    const list = readRevocationList(der);
    return { list, issuer: comparableName(list.issuer) };
  } catch {
    return null;
  }
}

/** What a path from a chain to an anchor can be made of. */
export interface PathMaterial {
  /** Certificates that were sent, each once, the leaf first. One that cannot be read is left out. */
  readonly sent: readonly NamedCertificate[];
  /**
   * Anchors that are named as the issuer of what was sent, or of another such anchor, or that were sent
   * themselves.
   */
  readonly anchors: readonly NamedCertificate[];
  /** False when an issuer that was sent cannot be read; OpenSSL may still use it. */
  readonly issuersReadable: boolean;
}

export function pathMaterial(chain: readonly Uint8Array[], trust: ResolvedTrust): PathMaterial {
  const index = indexTrust(trust);
  const read = distinct(chain).map((der) => namedCertificate(der));
  const sent = read.filter((each) => each !== null);
  const wanted = new Set(sent.flatMap(({ issuer, subject }) => [issuer, subject]));
  // Grows while it is walked: an issuer of an anchor may be an anchor too.
  for (const name of wanted) {
    for (const { issuer } of index.anchorsBySubject.get(name) ?? []) wanted.add(issuer);
  }
  const anchors = [...wanted].flatMap((name) => index.anchorsBySubject.get(name) ?? []);
  return { sent, anchors, issuersReadable: read.slice(1).every((each) => each !== null) };
}

const distinct = (chain: readonly Uint8Array[]): readonly Uint8Array[] => [
  ...new Map(chain.map((der) => [Buffer.from(der).toString("base64"), der])).values(),
];

/**
 * Whether more than one path may lead from the chain to an anchor. OpenSSL builds one, by names, and never
 * comes back after a bad signature or a wrong CRL: where this holds, its refusal does not exclude the other
 * paths.
 */
export function mayHaveSeveralPaths(chain: readonly Uint8Array[], trust: ResolvedTrust): boolean {
  // With CRLs OpenSSL wants one of every CA; which anchors need none is known of a path alone.
  if (trust.exemptPem.length > 0) return true;
  const { sent, anchors, issuersReadable } = pathMaterial(chain, trust);
  if (!issuersReadable) return true;
  const issuers = new Map(
    [...sent.slice(1), ...anchors].map((each) => [Buffer.from(each.der).toString("base64"), each]),
  );
  const subjects = new Set<string>();
  for (const { subject } of issuers.values()) {
    if (subjects.has(subject)) return true;
    subjects.add(subject);
  }
  const isBelowAnother = ({ issuer, subject }: NamedCertificate): boolean =>
    issuer !== subject && subjects.has(issuer);
  if (anchors.some(isBelowAnother)) return true;
  const lists = indexTrust(trust).lists.filter(({ issuer }) => subjects.has(issuer));
  return new Set(lists.map(({ issuer }) => issuer)).size < lists.length;
}
