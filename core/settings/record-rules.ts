import { type CertificateRecord, certificateState, validity } from "../certificate/certificate.ts";
import type { TrustStoreRecord } from "../certificate/trust-store.ts";
import type { DomainName } from "../domain-name/domain-name.ts";
import type { Issue } from "../errors.ts";
import type { DomainSettings } from "./domain.ts";
import type { MxHost } from "./mx-host.ts";
import { withException } from "./rules.ts";
import { isCovered } from "./warnings.ts";

/** What a domain's settings refer to, as found when a write of it is judged. */
export interface References {
  readonly account: string;
  /** The record of `certificateId`; null = absent; unreadable = it was named before, and nothing can be said of it. */
  readonly certificate: CertificateRecord | null | "unreadable";
  /** The domain's own hosts as they will be. */
  readonly hosts: readonly MxHost[];
  /** The certificate was not named by this domain, or not served by a host, before this write. */
  readonly certificateIsNew: boolean;
  /** In the order of `trustStoreIds`; null = absent; unreadable as above. */
  readonly trustStores: readonly (TrustStoreRecord | null | "unreadable")[];
  /** Client-certificate settings are not what they were before this write. */
  readonly trustIsNew: boolean;
  readonly nowMs: number;
}

/**
 * Rules between a domain and the records it names: the rest of "Refused when written" (semantics.md section 1).
 * What is another account's is unknown here.
 */
export function referenceIssues(settings: DomainSettings, references: References): Issue[] {
  return [...certificateIssues(settings, references), ...trustIssues(settings, references)];
}

const CERTIFICATE_POINTER = "/tls/server/certificateId";
const TRUST_POINTER = "/tls/clientCertificate/trust";

function certificateIssues({ tls }: DomainSettings, references: References): Issue[] {
  const id = tls.server.certificateId;
  if (id === null) return [];
  const { certificate, account, hosts, nowMs, certificateIsNew } = references;
  if (certificate === "unreadable") return [];
  if (certificate === null || certificate.account !== account)
    return [
      {
        pointer: CERTIFICATE_POINTER,
        code: "unknown-certificate",
        message: `there is no certificate ${quoted(id)}`,
      },
    ];
  const missed = hosts.filter(
    (item) => item.certificateId === id && !isCovered(certificate.names, item.host),
  );
  return [
    ...missingNameIssues(
      CERTIFICATE_POINTER,
      missed.map(({ host }) => host),
    ),
    // A certificate that ran out in service must not lock every other setting of its domains.
    ...(certificateIsNew ? dateIssues(certificate, nowMs) : []),
  ];
}

const quoted = (text: string): string => JSON.stringify(text);

/** The certificate's names do not cover these hosts that use it. */
export function missingNameIssues(pointer: string, hosts: readonly DomainName[]): Issue[] {
  if (hosts.length === 0) return [];
  const shown = hosts.slice(0, 5).join(", ");
  const more = hosts.length > 5 ? ` and ${hosts.length - 5} more` : "";
  const message = `the certificate's names do not cover ${shown}${more}, which ${hosts.length === 1 ? "uses" : "use"} it`;
  return [{ pointer, code: "certificate-misses-host", message }];
}

function dateIssues(certificate: CertificateRecord, nowMs: number): Issue[] {
  const { notBefore, notAfter } = validity(certificate);
  const issue = (code: string, message: string): Issue[] => [{ pointer: CERTIFICATE_POINTER, code, message }];
  switch (certificateState(certificate, nowMs)) {
    case "expired":
      return issue("certificate-expired", `the certificate expired at ${notAfter ?? "an unknown time"}`);
    case "failed":
      return issue("certificate-failed", `the certificate failed: ${certificate.acm?.problem ?? "unknown"}`);
    case "pending":
      return notBefore === null
        ? issue("certificate-not-issued", "the certificate is not issued yet")
        : issue("certificate-not-yet-valid", `the certificate is not valid before ${notBefore}`);
    default:
      return [];
  }
}

function trustIssues(
  settings: DomainSettings,
  { account, trustStores, trustIsNew, nowMs }: References,
): Issue[] {
  const unknown = settings.tls.clientCertificate.trust.trustStoreIds.flatMap((id, index) => {
    const store = trustStores[index];
    if (store === "unreadable" || store?.account === account) return [];
    const pointer = `${TRUST_POINTER}/trustStoreIds/${index}`;
    return { pointer, code: "unknown-trust-store", message: `there is no trust store ${quoted(id)}` };
  });
  if (unknown.length > 0 || !trustIsNew) return unknown;
  return nothingCanPass(settings, trustStores, nowMs)
    ? [
        {
          pointer: TRUST_POINTER,
          code: "nothing-can-pass",
          message: "every CA of the trust stores has expired, or has no CRL in force beside those of others",
        },
      ]
    : [];
}

/** What of a trust store says whether it can vouch for anybody. */
type Vouching = Pick<TrustStoreRecord, "anchors" | "crls">;

/** Mode `require`, own or by an exception, over trust stores of which none can vouch for anybody any more. */
export function nothingCanPass(
  settings: DomainSettings,
  trustStores: readonly (Vouching | null | "unreadable")[],
  nowMs: number,
): boolean {
  const { publicRoots, pins } = settings.tls.clientCertificate.trust;
  const rules = [settings, ...settings.tls.exceptions.map((exception) => withException(settings, exception))];
  const requires = rules.some(({ tls }) => tls.clientCertificate.mode === "require");
  if (!requires || publicRoots || pins.length > 0 || trustStores.length === 0) return false;
  return trustStores.every((store) => store !== null && store !== "unreadable" && !vouches(store, nowMs));
}

/** With CRLs every CA needs a fresh one, so where all are stale nobody passes. */
export function vouches({ anchors, crls }: Vouching, nowMs: number): boolean {
  const isOver = (end: string): boolean => Date.parse(end) <= nowMs;
  const stale = crls.length > 0 && crls.every(({ nextUpdate }) => isOver(nextUpdate));
  // An anchor of a release that did not look (absent) counts as covered.
  const isUncovered = (until: string | null | undefined): boolean =>
    until === null || (until !== undefined && isOver(until));
  return !stale && !anchors.every(({ notAfter, crlUntil }) => isOver(notAfter) || isUncovered(crlUntil));
}
