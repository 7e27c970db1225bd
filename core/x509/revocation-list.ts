/** Certificate revocation lists in DER (RFC 5280 section 5). */

import {
  contextTag,
  elementsOf,
  expectTag,
  MalformedDer,
  readDer,
  readOid,
  readTime,
  TAG,
  type DerElement,
} from "./der.ts";
import type { Signed } from "./signature-algorithm.ts";

/** What Postern reads of a CRL (RFC 5280 section 5.1). Who is revoked is for OpenSSL to read. */
export interface RevocationList extends Signed {
  readonly der: Uint8Array;
  /** Name in DER. */
  readonly issuer: Uint8Array;
  /** Epoch milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | null;
  /** Lists only changes since another CRL (RFC 5280 section 5.2.4): OpenSSL would not look at it. */
  readonly delta: boolean;
  /** null = it is complete: it has no issuing distribution point (RFC 5280 section 5.2.5). */
  readonly scope: RevocationScope | null;
}

/** Which certificates of its CA a CRL says something of. */
interface RevocationScope {
  /**
   * The names of its distribution point in DER, as certificates of this scope have them in theirs; null =
   * any.
   */
  readonly names: Uint8Array | null;
  /**
   * For leaves alone, some reasons, other issuers, or attribute certificates: nothing of that is about a CA.
   */
  readonly leavesOutCas: boolean;
  /**
   * OpenSSL takes it for no certificate: some reasons, other issuers, attribute certificates, leaves and CAs
   * alone at once.
   */
  readonly isUseless: boolean;
}

const DELTA_CRL_INDICATOR = "2.5.29.27";
const ISSUING_DISTRIBUTION_POINT = "2.5.29.28";
/** Tags of IssuingDistributionPoint. */
const DISTRIBUTION_POINT = 0;
const ONLY_LEAVES = 1;
const ONLY_CAS = 2;
const ONLY_SOME_REASONS = 3;

/** @throws MalformedDer when the bytes are not one CRL in DER. */
export function readRevocationList(der: Uint8Array): RevocationList {
  const [toBeSigned, algorithm, signature] = elementsOf(readDer(der, TAG.sequence).content);
  const fields = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)];
  // The version is absent in version 1 lists.
  const [, issuer, thisUpdate, ...rest] = fields[0]?.tag === TAG.integer ? fields.slice(1) : fields;
  const nextUpdate = rest.find(({ tag }) => tag === TAG.utcTime || tag === TAG.generalizedTime);
  checkEntries(rest.find(({ tag }) => tag === TAG.sequence));
  const extensions = extensionsOf(rest.find(({ tag }) => tag === contextTag(0)));
  return {
    der,
    issuer: expectTag(issuer, TAG.sequence).raw,
    thisUpdate: readTime(thisUpdate),
    nextUpdate: nextUpdate === undefined ? null : readTime(nextUpdate),
    delta: extensions.has(DELTA_CRL_INDICATOR),
    scope: scopeOf(extensions.get(ISSUING_DISTRIBUTION_POINT)),
    toBeSigned: expectTag(toBeSigned, TAG.sequence).raw,
    algorithm: expectTag(algorithm, TAG.sequence).raw,
    signature: bitsOf(signature),
  };
}

/**
 * Every entry must have its shape: one that OpenSSL could not read would make the whole list unreadable at
 * the edge.
 */
function checkEntries(entries: DerElement | undefined): void {
  if (entries === undefined) return;
  for (const entry of elementsOf(entries.content)) {
    const [serial, revokedAt] = elementsOf(expectTag(entry, TAG.sequence).content);
    expectTag(serial, TAG.integer);
    readTime(revokedAt);
  }
}

/** Values by identifier. */
function extensionsOf(extensions: DerElement | undefined): ReadonlyMap<string, Uint8Array> {
  if (extensions === undefined) return new Map();
  return new Map(
    [...elementsOf(readDer(extensions.content, TAG.sequence).content)].map((extension) => {
      const [id, ...rest] = elementsOf(expectTag(extension, TAG.sequence).content);
      return [readOid(id), expectTag(rest.at(-1), TAG.octetString).content];
    }),
  );
}

function scopeOf(value: Uint8Array | undefined): RevocationScope | null {
  if (value === undefined) return null;
  let names: Uint8Array | null = null;
  const limits = new Set<number>();
  for (const { tag, content } of elementsOf(readDer(value, TAG.sequence).content)) {
    const field = tag & 0x1f;
    if (field === DISTRIBUTION_POINT) names = content;
    // A BOOLEAN that is false may be written out. Reasons count by being there, were there none of them
    // (measured).
    else if (field === ONLY_SOME_REASONS || content.some((octet) => octet !== 0)) limits.add(field);
  }
  const isUseless =
    [...limits].some((field) => field !== ONLY_LEAVES && field !== ONLY_CAS) ||
    (limits.has(ONLY_LEAVES) && limits.has(ONLY_CAS));
  return { names, leavesOutCas: isUseless || limits.has(ONLY_LEAVES), isUseless };
}

/** The octets of a BIT STRING without unused bits. */
function bitsOf(element: DerElement | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.bitString);
  if (content[0] !== 0) throw new MalformedDer("bit string");
  return content.subarray(1);
}
