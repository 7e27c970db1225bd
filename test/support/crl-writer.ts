import { explicit, implicit, integer, pem, sequence, time, tlv } from "./der.ts";
import {
  extension,
  hoursFromNow,
  nameOf,
  signatureAlgorithm,
  signed,
  type SignatureHash,
  type Signer,
} from "./certificate-writer.ts";

export interface CrlOptions {
  readonly ca: Signer;
  /** Serial numbers, or the certificates themselves. */
  readonly revoked?: readonly Uint8Array[];
  /** Whole entries, beside `revoked`. */
  readonly entries?: readonly Uint8Array[];
  readonly thisUpdate?: Date;
  /** null = no nextUpdate. */
  readonly nextUpdate?: Date | null;
  readonly hash?: SignatureHash;
  /** Beside the CRL number. */
  readonly extensions?: readonly Uint8Array[];
}

const YES = Buffer.from([0xff]);
const scope = (...fields: readonly Uint8Array[]) => extension("2.5.29.28", true, sequence(...fields));
/** Issuing distribution points for a part of a CA's certificates (RFC 5280 section 5.2.5). */
export const CRL_SCOPE = { leaves: scope(implicit(1, YES)), cas: scope(implicit(2, YES)) };
/** Those of which OpenSSL takes no CRL for any certificate. */
export const USELESS_SCOPES: readonly (readonly [string, Uint8Array])[] = [
  ["for some reasons", scope(implicit(3, Buffer.from([6, 0x40])))],
  ["for reasons of which there are none", scope(implicit(3, Buffer.from([0])))],
  ["for certificates of others", scope(implicit(4, YES))],
  ["for attribute certificates", scope(implicit(5, YES))],
  ["for leaves alone and for CAs alone", scope(implicit(1, YES), implicit(2, YES))],
];

/** A CRL of the CA in PEM; `revoked` takes whole certificates in DER. Default: no one, for 7 days. */
export function makeCrl(options: CrlOptions): string {
  const { ca, revoked = [], extensions = [], nextUpdate = hoursFromNow(7 * 24), hash = "sha256" } = options;
  const thisUpdate = options.thisUpdate ?? hoursFromNow(-1);
  const entries = [
    ...revoked.map((certificate) => sequence(serialOf(certificate), time(thisUpdate))),
    ...(options.entries ?? []),
  ];
  const toBeSigned = sequence(
    integer(1),
    signatureAlgorithm(ca.privateKey, hash),
    nameOf(ca.subject),
    time(thisUpdate),
    ...(nextUpdate === null ? [] : [time(nextUpdate)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(0, sequence(extension("2.5.29.20", false, integer(1)), ...extensions)),
  );
  return pem("X509 CRL", signed(toBeSigned, ca.privateKey, hash));
}

/** The serial number as a whole TLV: the first INTEGER after the version (RFC 5280 section 4.1). */
function serialOf(certificate: Uint8Array): Buffer {
  const headerOf = (at: number): { content: number; end: number } => {
    const first = certificate[at + 1] ?? 0;
    const count = first < 0x80 ? 0 : first & 0x7f;
    const length =
      count === 0
        ? first
        : Number(`0x${Buffer.from(certificate.subarray(at + 2, at + 2 + count)).toString("hex")}`);
    return { content: at + 2 + count, end: at + 2 + count + length };
  };
  const toBeSigned = headerOf(headerOf(0).content);
  const atVersion = toBeSigned.content;
  const atSerial = certificate[atVersion] === 0xa0 ? headerOf(atVersion).end : atVersion;
  const { content, end } = headerOf(atSerial);
  return tlv(0x02, certificate.subarray(content, end));
}
