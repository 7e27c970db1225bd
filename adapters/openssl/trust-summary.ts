import { readCertificateFields, type CertificateFields } from "../../core/certificate/certificate-fields.ts";
import { comparableName } from "../../core/certificate/distinguished-name.ts";
import { readPem } from "../../core/certificate/pem.ts";
import { readRevocationList } from "../../core/certificate/revocation-list.ts";
import type { ResolvedTrust } from "../../core/policy/chain-verifier.ts";

/** What can be said of a trust without running anything. */
export interface TrustSummary {
  /** Names of the anchors, as `comparableName` gives them. */
  readonly names: ReadonlySet<string>;
  /** Anchors byte for byte, base64. */
  readonly certificates: ReadonlySet<string>;
  /** Every date at which a verdict could change, ascending: dates of anchors and CRLs, epoch milliseconds. */
  readonly dates: readonly number[];
}

/** @throws MalformedDer when the trust holds what was never let into a trust store. */
export function summariseTrust(trust: ResolvedTrust): TrustSummary {
  const anchors = derOf(trust.anchorsPem).map((der) => ({ der, fields: readCertificateFields(der) }));
  const lists = derOf(trust.crlsPem).map((der) => readRevocationList(der));
  const dates = [
    ...anchors.flatMap(({ fields }) => datesOf(fields)),
    ...lists.flatMap(({ thisUpdate, nextUpdate }) => [thisUpdate, nextUpdate ?? thisUpdate]),
  ];
  return {
    names: new Set(anchors.map(({ fields }) => comparableName(fields.subject))),
    certificates: new Set(anchors.map(({ der }) => base64(der))),
    dates: dates.toSorted((a, b) => a - b),
  };
}

function derOf(texts: readonly string[]): readonly Uint8Array[] {
  const blocks = texts.flatMap((text) => readPem(text, "").blocks);
  return blocks.flatMap(({ der }) => (der === null ? [] : [der]));
}

const base64 = (der: Uint8Array): string => Buffer.from(der).toString("base64");

/** notAfter is the last valid second, so the verdict changes at the next. */
const datesOf = ({ notBefore, notAfter }: CertificateFields): readonly number[] => [
  notBefore,
  notAfter + 1000,
];

/** What can be said of a chain under a trust without running anything. */
export interface ChainOutlook {
  /** False when the leaf is not one certificate in strict DER: OpenSSL might read something else in it. */
  readonly readable: boolean;
  /**
   * False when no certificate of the chain is an anchor or names one as its issuer: no path can end at an anchor.
   * Every certificate is looked at and not only the top one, since a client may send them in any order.
   */
  readonly mayBeValid: boolean;
  /** The next date after `nowMs` at which the verdict could change; Infinity = none. */
  readonly changesAt: number;
}

/** An issuer that cannot be read leaves the question open: `openssl` is asked. */
export function outlookOf(chain: readonly Uint8Array[], trust: TrustSummary, nowMs: number): ChainOutlook {
  const read = chain.map((der) => fieldsOf(der));
  const mayBeValid = read.some(
    (fields, at) =>
      fields === null ||
      trust.certificates.has(base64(chain[at] ?? new Uint8Array())) ||
      trust.names.has(comparableName(fields.issuer)),
  );
  const dates = [...trust.dates, ...read.flatMap((fields) => (fields === null ? [] : datesOf(fields)))];
  const later = dates.filter((date) => date > nowMs);
  const leaf = read[0] ?? null;
  return { readable: leaf !== null, mayBeValid, changesAt: Math.min(Infinity, ...later) };
}

function fieldsOf(der: Uint8Array): CertificateFields | null {
  try {
    return readCertificateFields(der);
  } catch {
    return null;
  }
}
