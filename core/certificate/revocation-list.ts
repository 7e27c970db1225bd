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
}

const DELTA_CRL_INDICATOR = "2.5.29.27";

/** @throws MalformedDer when the bytes are not one CRL in DER. */
export function readRevocationList(der: Uint8Array): RevocationList {
  const [toBeSigned, algorithm, signature] = elementsOf(readDer(der, TAG.sequence).content);
  const fields = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)];
  // The version is absent in version 1 lists.
  const [, issuer, thisUpdate, ...rest] = fields[0]?.tag === TAG.integer ? fields.slice(1) : fields;
  const nextUpdate = rest.find(({ tag }) => tag === TAG.utcTime || tag === TAG.generalizedTime);
  checkEntries(rest.find(({ tag }) => tag === TAG.sequence));
  return {
    der,
    issuer: expectTag(issuer, TAG.sequence).raw,
    thisUpdate: readTime(thisUpdate),
    nextUpdate: nextUpdate === undefined ? null : readTime(nextUpdate),
    delta: extensionIds(rest.find(({ tag }) => tag === contextTag(0))).includes(DELTA_CRL_INDICATOR),
    toBeSigned: expectTag(toBeSigned, TAG.sequence).raw,
    algorithm: expectTag(algorithm, TAG.sequence).raw,
    signature: bitsOf(signature),
  };
}

/** Every entry must have its shape: one that OpenSSL could not read would make the whole list unreadable at the edge. */
function checkEntries(entries: DerElement | undefined): void {
  if (entries === undefined) return;
  for (const entry of elementsOf(entries.content)) {
    const [serial, revokedAt] = elementsOf(expectTag(entry, TAG.sequence).content);
    expectTag(serial, TAG.integer);
    readTime(revokedAt);
  }
}

function extensionIds(extensions: DerElement | undefined): readonly string[] {
  if (extensions === undefined) return [];
  return [...elementsOf(readDer(extensions.content, TAG.sequence).content)].map((extension) => {
    const [id] = elementsOf(expectTag(extension, TAG.sequence).content);
    return readOid(id);
  });
}

/** The octets of a BIT STRING without unused bits. */
function bitsOf(element: DerElement | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.bitString);
  if (content[0] !== 0) throw new MalformedDer("bit string");
  return content.subarray(1);
}
