/** Facts of a trust that decide a chain without a run of openssl. */

import type { CertificateFields } from "../../core/x509/certificate-fields.ts";
import { MalformedDer } from "../../core/x509/der.ts";
import type { ResolvedTrust } from "../../core/policy/chain-verifier.ts";
import { indexTrust, namedCertificate } from "../../core/policy/trust-index.ts";

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
  const { anchors, anchorsBySubject, lists, complete } = indexTrust(trust);
  if (!complete) throw new MalformedDer("trust");
  const dates = [
    ...anchors.flatMap(({ fields }) => datesOf(fields)),
    ...lists.flatMap(({ list }) => [list.thisUpdate, list.nextUpdate ?? list.thisUpdate]),
  ];
  return {
    names: new Set(anchorsBySubject.keys()),
    certificates: new Set(anchors.map(({ der }) => base64(der))),
    dates: dates.toSorted((a, b) => a - b),
  };
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
   * False when no certificate of the chain is an anchor or names one as its issuer: no path can end at an
   * anchor. Every certificate is looked at and not only the top one, since a client may send them in any
   * order.
   */
  readonly mayBeValid: boolean;
  /** The next date after `nowMs` at which the verdict could change; Infinity = none. */
  readonly changesAt: number;
}

/** An issuer that cannot be read leaves the question open: `openssl` is asked. */
export function outlookOf(chain: readonly Uint8Array[], trust: TrustSummary, nowMs: number): ChainOutlook {
  const read = chain.map((der) => namedCertificate(der));
  const mayBeValid = read.some(
    (named, at) =>
      named === null ||
      trust.certificates.has(base64(chain[at] ?? new Uint8Array())) ||
      trust.names.has(named.issuer),
  );
  const dates = [...trust.dates, ...read.flatMap((named) => (named === null ? [] : datesOf(named.fields)))];
  const later = dates.filter((date) => date > nowMs);
  const leaf = read[0] ?? null;
  return { readable: leaf !== null, mayBeValid, changesAt: Math.min(Infinity, ...later) };
}
