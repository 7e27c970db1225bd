/** Rules between records: a domain and the certificate, hosts and trust stores that it refers to. */

import { nameAccepted } from "../policy/client-judgement.ts";
import { validity, certificateState } from "./expiry.ts";
import { withException } from "../policy/exception.ts";
import type { AnchorLimits } from "../x509/anchor-limits.ts";
import { type CertificateRecord } from "../record/certificate.ts";
import type { CertificateId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import { coversHost, type DomainName, wildcardOf } from "../name/domain-name.ts";
import { type Issue, RuleViolation } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import type { ClientCertificateSettings, DomainSettings } from "../record/domain.ts";
import type { MxHost } from "../record/mx-host.ts";
import type { Store } from "../store/store.ts";

/** What a domain's settings refer to, as found when a write of it is judged. */
export interface References {
  readonly account: string;
  /**
   * The record of `certificateId`; null = absent; unreadable = it was named before, and nothing can be said
   * of it.
   */
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
 * Rules between a domain and the records it names: the rest of "Refused when written" (semantics.md section
 * 1). What is another account's is unknown here.
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
        message: `certificate ${quoted(id)} not found`,
      },
    ];
  const serving = hosts.filter((item) => item.certificateId === id).map(({ host }) => host);
  // A certificate that ran out in service must not lock every other setting of its domains.
  const judged = certificateIsNew ? { hosts: serving, nowMs } : { hosts: serving };
  return servingIssues(CERTIFICATE_POINTER, certificate, judged);
}

/** Reasons that hosts cannot serve a certificate. `nowMs` absent = whatever its dates and state. */
export function servingIssues(
  pointer: string,
  certificate: CertificateRecord,
  { hosts, nowMs }: { readonly hosts: readonly DomainName[]; readonly nowMs?: number },
): Issue[] {
  const missed = hosts.filter((host) => !isCovered(certificate.names, host));
  return [
    ...missingNameIssues(pointer, missed),
    ...(nowMs === undefined ? [] : dateIssues(pointer, certificate, nowMs)),
  ];
}

const quoted = (text: string): string => JSON.stringify(text);

/** Whether a certificate's names cover a host. */
const isCovered = (names: readonly string[], host: DomainName): boolean =>
  names.some((name) => coversHost(name, host));

/** Whether the edge's default certificate names the host. */
export const isOperatorHost = (operatorHosts: ReadonlySet<string>, host: DomainName): boolean =>
  operatorHosts.has(host) || operatorHosts.has(wildcardOf(host) ?? host);

/**
 * The hosts that serve a certificate and would lose their name with new names. A host was covered when it
 * took the certificate, so that none is read while every old name stays: one certificate may serve 100,000
 * hosts.
 */
async function hostsMissedBy(
  store: Pick<Store, "hostsOfCertificate">,
  id: CertificateId,
  { before, after }: { readonly before: readonly string[] | null; readonly after: readonly string[] },
): Promise<readonly DomainName[]> {
  const kept = new Set(after);
  if (before?.every((name) => kept.has(name)) === true) return [];
  const hosts = await store.hostsOfCertificate(id);
  return hosts.map(({ host }) => host).filter((host) => !isCovered(after, host));
}

/**
 * Before new material is stored. @throws RuleViolation when a host that serves the certificate would lose its
 * name
 */
export async function checkHostsCovered(
  store: Pick<Store, "hostsOfCertificate">,
  pointer: string,
  change: {
    readonly id: CertificateId;
    readonly before: readonly string[] | null;
    readonly after: readonly string[];
  },
): Promise<void> {
  const issues = missingNameIssues(pointer, await hostsMissedBy(store, change.id, change));
  if (issues.length > 0) throw new RuleViolation(issues);
}

/** The certificate's names do not cover these hosts that use it. */
function missingNameIssues(pointer: string, hosts: readonly DomainName[]): Issue[] {
  if (hosts.length === 0) return [];
  const shown = hosts.slice(0, 5).join(", ");
  const more = hosts.length > 5 ? ` and ${hosts.length - 5} more` : "";
  const message = `the certificate's names do not cover ${shown}${more}, which ${hosts.length === 1 ? "uses" : "use"} it`;
  return [{ pointer, code: "certificate-misses-host", message }];
}

function dateIssues(pointer: string, certificate: CertificateRecord, nowMs: number): Issue[] {
  const { notBefore, notAfter } = validity(certificate);
  const issue = (code: IssueCode, message: string): Issue[] => [{ pointer, code, message }];
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
  const unknown = settings.tls.clientCertificate.trust.trustStoreIds.flatMap((id, index): Issue | [] => {
    const store = trustStores[index];
    if (store === "unreadable" || store?.account === account) return [];
    const pointer = `${TRUST_POINTER}/trustStoreIds/${index}`;
    return { pointer, code: "unknown-trust-store", message: `trust store ${quoted(id)} not found` };
  });
  if (unknown.length > 0 || !trustIsNew) return unknown;
  return nothingCanPass(settings, trustStores, nowMs)
    ? [
        {
          pointer: TRUST_POINTER,
          code: "nothing-can-pass",
          message: NOTHING_VOUCHES,
        },
      ]
    : [];
}

/** Causes of `nothing-can-pass` over trust stores, for people. */
export const NOTHING_VOUCHES =
  "no certificate of the trust stores can let a client pass: each is expired, not yet valid, without a CRL in force beside others that have one, or not a CA (then it is a client's own, and must have a name and purpose that are accepted)";

/** What of a trust store says whether it can vouch for a client. */
type Vouching = Pick<TrustStoreRecord, "anchors" | "crls">;

/** Mode `require`, own or by an exception, over trust stores of which none can vouch for any client. */
export function nothingCanPass(
  settings: DomainSettings,
  trustStores: readonly (Vouching | null | "unreadable")[],
  nowMs: number,
): boolean {
  const rules = [settings, ...settings.tls.exceptions.map((exception) => withException(settings, exception))];
  const requires = rules.some(({ tls }) => tls.clientCertificate.mode === "require");
  return requires && nothingVouches(settings.tls.clientCertificate, trustStores, nowMs);
}

/** Trust stores are all that is trusted, and none can vouch for a client. One that cannot be read may. */
export function nothingVouches(
  settings: Pick<ClientCertificateSettings, "names" | "purpose" | "trust">,
  trustStores: readonly (Vouching | null | "unreadable")[],
  nowMs: number,
): boolean {
  const { publicRoots, pins } = settings.trust;
  if (publicRoots || pins.length > 0 || trustStores.length === 0) return false;
  return trustStores.every(
    (store) => store !== null && store !== "unreadable" && !vouches(store, settings, nowMs),
  );
}

/**
 * Whether any anchor of a trust store can let a client pass now, under a domain's names and purpose. With
 * CRLs every CA needs a fresh one, so where all are stale none can.
 */
export function vouches(
  { anchors, crls }: Vouching,
  settings: Pick<ClientCertificateSettings, "names" | "purpose">,
  nowMs: number,
): boolean {
  const isOver = (end: string): boolean => Date.parse(end) <= nowMs;
  if (crls.length > 0 && crls.every(({ nextUpdate }) => isOver(nextUpdate))) return false;
  // An anchor of a release that did not look (absent) counts as covered and unlimited.
  const isUncovered = (until: string | null | undefined): boolean =>
    until === null || (until !== undefined && isOver(until));
  return anchors.some(
    ({ notBefore, notAfter, crlUntil, limits }) =>
      Date.parse(notBefore) <= nowMs &&
      !isOver(notAfter) &&
      !isUncovered(crlUntil) &&
      (limits === undefined || canPass(limits, settings)),
  );
}

/** Whether a client can pass under an anchor with limits. */
function canPass(
  { isCa, usages, dnsNames }: AnchorLimits,
  { names, purpose }: Pick<ClientCertificateSettings, "names" | "purpose">,
): boolean {
  if (usages.length === 0 || (purpose === "clientAuth" && !usages.includes("clientAuth"))) return false;
  // A client chooses its EHLO name, so any name of its certificate will do there.
  if (isCa || dnsNames === null || names.match === "any") return true;
  if (names.match === "helo") return dnsNames.some((each) => !each.startsWith("*."));
  return nameAccepted(names, dnsNames, null);
}
