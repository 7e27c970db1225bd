/** Fields of a certificate that names, dates and pins are taken from. */

import { createHash } from "node:crypto";
import { toDomainName } from "../name/domain-name.ts";
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

/**
 * What Postern reads of a certificate itself (RFC 5280 section 4.1). Whether it is valid is for OpenSSL to
 * say.
 */
export interface CertificateFields {
  /** Name in DER. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  /** AlgorithmIdentifier of the signature in DER. */
  readonly signatureAlgorithm: Uint8Array;
  /** Epoch milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /**
   * SAN dNSNames, canonical, in order, each once; wildcards as `*.x`. Never the CN; what is not a name is
   * left out.
   */
  readonly dnsNames: readonly string[];
}

const SUBJECT_ALT_NAME = "2.5.29.17";
/** GeneralName `dNSName [2] IMPLICIT IA5String`. */
const DNS_NAME_TAG = 0x82;
/**
 * Names read of a client's certificate: 64 KB could carry ten thousand, and each costs a stranger nothing.
 */
const MAX_NAMES = 1000;

/**
 * @param maxNames how many dNSNames are read; those after them are left out.
 * @throws MalformedDer when the bytes are not one certificate in DER.
 */
export function readCertificateFields(der: Uint8Array, maxNames: number = MAX_NAMES): CertificateFields {
  const [toBeSigned, algorithm] = elementsOf(readDer(der, TAG.sequence).content);
  const fields = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)];
  // version [0] is absent in version 1 certificates.
  const [, , issuer, validity, subject, spki, ...rest] =
    fields[0]?.tag === contextTag(0) ? fields.slice(1) : fields;
  const [notBefore, notAfter] = elementsOf(expectTag(validity, TAG.sequence).content);
  return {
    issuer: expectTag(issuer, TAG.sequence).raw,
    subject: expectTag(subject, TAG.sequence).raw,
    spki: expectTag(spki, TAG.sequence).raw,
    signatureAlgorithm: expectTag(algorithm, TAG.sequence).raw,
    notBefore: readTime(notBefore),
    notAfter: readTime(notAfter),
    dnsNames: dnsNamesOf(
      rest.find((field) => field.tag === contextTag(3)),
      maxNames,
    ),
  };
}

/**
 * Value of an extension of a certificate in DER, by its number; null = it has none.
 *
 * @throws MalformedDer
 */
export function extensionOf(der: Uint8Array, wanted: string): Uint8Array | null {
  const [toBeSigned] = elementsOf(readDer(der, TAG.sequence).content);
  const extensions = [...elementsOf(expectTag(toBeSigned, TAG.sequence).content)].find(
    (field) => field.tag === contextTag(3),
  );
  return valuesOf(extensions, wanted)[0] ?? null;
}

function valuesOf(extensions: DerElement | undefined, wanted: string): readonly Uint8Array[] {
  if (extensions === undefined) return [];
  const values: Uint8Array[] = [];
  for (const extension of elementsOf(readDer(extensions.content, TAG.sequence).content)) {
    const [id, ...rest] = elementsOf(expectTag(extension, TAG.sequence).content);
    if (readOid(id) === wanted) values.push(expectTag(rest.at(-1), TAG.octetString).content);
  }
  return values;
}

/**
 * The dNSNames of a certificate that are no host names, as text in which everything but printable ASCII is
 * shown as `?`, at most 100 characters each.
 *
 * @throws MalformedDer
 */
export function invalidDnsNames(der: Uint8Array): readonly string[] {
  const value = extensionOf(der, SUBJECT_ALT_NAME);
  if (value === null) return [];
  return [...elementsOf(readDer(value, TAG.sequence).content)]
    .filter(({ tag, content }) => tag === DNS_NAME_TAG && dnsNameText(content) === null)
    .map(({ content }) => shownText(content));
}

const shownText = (content: Uint8Array): string =>
  Buffer.from(content.subarray(0, 100))
    .toString("latin1")
    .replace(/[^\x20-\x7e]/g, "?");

function dnsNamesOf(extensions: DerElement | undefined, maxNames: number): readonly string[] {
  const values = valuesOf(extensions, SUBJECT_ALT_NAME);
  const [value] = values;
  if (value === undefined) return [];
  // RFC 5280 section 4.2: an extension is there once. With two, readers may disagree on who this is.
  if (values.length > 1) throw new MalformedDer("two subjectAltName extensions");
  return namesIn(value, maxNames);
}

function namesIn(subjectAltName: Uint8Array, maxNames: number): readonly string[] {
  const names = new Set<string>();
  for (const name of elementsOf(readDer(subjectAltName, TAG.sequence).content)) {
    const text = name.tag === DNS_NAME_TAG ? dnsNameText(name.content) : null;
    if (text !== null) names.add(text);
    if (names.size >= maxNames) break;
  }
  return [...names];
}

const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

/**
 * A dNSName as a name pattern, or null. The whole string counts: a NUL, comma or quote inside makes it no
 * name.
 */
function dnsNameText(content: Uint8Array): string | null {
  if (content.length > 255) return null;
  const text = Buffer.from(content).toString("latin1");
  // An IA5String holds A-labels (RFC 5280 section 4.2.1.6); octets above 0x7f must not become a U-label here.
  if (!PRINTABLE_ASCII.test(text)) return null;
  if (!text.startsWith("*.")) return toDomainName(text);
  const parent = toDomainName(text.slice(2));
  return parent === null ? null : `*.${parent}`;
}

/** `sha256//` and the base64 of the SHA-256 of a SubjectPublicKeyInfo in DER. */
export const spkiPinOf = (spki: Uint8Array): string =>
  `sha256//${createHash("sha256").update(spki).digest("base64")}`;

/** SHA-256 in lower-case hex, as fingerprints and content hashes are written. */
export const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
