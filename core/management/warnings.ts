/** Warnings that a domain and the records that it refers to give, at any edge. */

import { certificateState, isEndReported, validity } from "./expiry.ts";
import { ending, issuerWarnings, type Warning, warning } from "./warning.ts";
import type { AnchorLimits } from "../x509/anchor-limits.ts";
import { type CertificateRecord } from "../record/certificate.ts";
import { comparableText } from "../x509/distinguished-name.ts";
import type { TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import { exceptionWarnings } from "./exception-warnings.ts";
import { UNKNOWN_ACCOUNT } from "../record/mx-host.ts";
import type { Surroundings } from "./surroundings.ts";
import { isOperatorHost } from "./reference-rules.ts";

/**
 * CRLs are commonly issued daily to weekly; one that has not been renewed three days before its end is late.
 */
const CRL_EXPIRING_WITHIN_MS = 3 * 24 * 3600 * 1000;

export interface WarningContext {
  readonly surroundings: Surroundings;
  /** dNSNames of the edge's default certificate, wildcards as `*.x`: what belongs to the operator. */
  readonly operatorHosts: ReadonlySet<string>;
  readonly nowMs: number;
}

/** What is worth knowing of a domain and is not acknowledged, in the order of its document. */
export function domainWarnings(domain: DomainRecord, context: WarningContext): Warning[] {
  const all = [
    ...levelWarnings(domain),
    ...hostWarnings(domain, context),
    ...clientCertificateWarnings(domain),
    ...trustWarnings(domain, context),
    ...exceptionWarnings(domain, context),
    ...deliveryWarnings(domain),
  ];
  return all.filter(({ code }) => !domain.acknowledgedWarnings.includes(code));
}

function levelWarnings({ tls, mxHosts }: DomainRecord): Warning[] {
  const warnings: Warning[] = [];
  if (tls.server.level === "require" && (mxHosts.length === 0 || mxHosts.some(isPublic)))
    warnings.push({
      code: "rfc3207-public-mx",
      message:
        "level require refuses plaintext; RFC 3207 section 4 says that a publicly referenced server must not, since senders without TLS cannot deliver",
    });
  const demands = tls.server.level === "require" || tls.clientCertificate.mode === "require";
  if (tls.enforcement === "observe" && demands)
    warnings.push({
      code: "enforcement-observe",
      message: "enforcement observe records failures and refuses nothing",
    });
  return warnings;
}

/** Names that the public DNS does not have: RFC 6762, RFC 8375, RFC 9476, and ICANN's `internal`. */
const isPublic = (host: DomainName): boolean =>
  host.includes(".") && !/\.(?:local|localhost|internal|home\.arpa|alt)$/.test(host);

function hostWarnings(domain: DomainRecord, context: WarningContext): Warning[] {
  const { hosts, certificates } = context.surroundings;
  // Hosts of another account never show: what they serve is not this account's to know.
  const own = domain.mxHosts.flatMap((name) => {
    const item = hosts.get(name);
    return item?.account === domain.account ? item : [];
  });
  const served = [...new Set(own.map(({ certificateId }) => certificateId))];
  const warnings = served.flatMap((id) => {
    if (id === null) return [];
    const certificate = certificates.get(id);
    if (certificate !== undefined) return certificateWarnings(certificate, context.nowMs);
    return warning("certificate-unreadable", `certificate ${id} cannot be read`);
  });
  const bare = own.filter(
    ({ host, certificateId }) => certificateId === null && !isOperatorHost(context.operatorHosts, host),
  );
  if (bare.length > 0)
    warnings.push({
      code: "default-certificate-lacks-host",
      message: `the edge's default certificate, which ${bare[0]?.host ?? ""} presents, does not carry this name: senders that verify will fail`,
    });
  warnings.push(...damageWarnings(domain, hosts));
  if (served.length > 1)
    warnings.push({
      code: "mx-hosts-differ",
      message:
        "the MX hosts of this domain present different certificates; certificateId shows that of the first",
    });
  return warnings;
}

function damageWarnings({ account, mxHosts }: DomainRecord, hosts: Surroundings["hosts"]): Warning[] {
  return mxHosts.flatMap((name) => {
    const item = hosts.get(name);
    if (item?.isDamaged !== true) return [];
    if (item.account === account)
      return warning(
        "mx-host-unreadable",
        `the stored item of MX host ${name} cannot be read: edges keep its previous version, and one that starts now presents the default certificate; any write of this domain replaces it`,
      );
    if (item.account !== UNKNOWN_ACCOUNT) return [];
    return warning(
      "mx-host-unreadable",
      `the stored item of MX host ${name} cannot be read, and domains of several accounts name it: it is replaced by a write once those of one account are left`,
    );
  });
}

const CERTIFICATE_WARNING = {
  pending: "certificate-not-yet-valid",
  expiring: "certificate-expiring",
  expired: "certificate-expired",
} as const;

/** Of its state, and of what senders that verify make of it. */
export function certificateWarnings(certificate: CertificateRecord, nowMs: number): Warning[] {
  const warnings: Warning[] = [];
  const state = certificateState(certificate, nowMs);
  const { notBefore, notAfter } = validity(certificate);
  const isShown =
    state === "pending" || state === "expired" || (state === "expiring" && isEndReported(certificate));
  if (isShown)
    warnings.push({
      code: CERTIFICATE_WARNING[state],
      message:
        notBefore === null || notAfter === null
          ? `certificate ${certificate.id} is not issued yet`
          : `certificate ${certificate.id} is valid from ${notBefore} to ${notAfter}`,
    });
  if (state === "failed")
    warnings.push({
      code: "certificate-failed",
      message: `certificate ${certificate.id} failed: ${certificate.acm?.problem ?? "unknown"}`,
    });
  if (certificate.source === "self-signed")
    warnings.push({
      code: "certificate-self-signed",
      message: `certificate ${certificate.id} is signed by itself: senders that verify will fail`,
    });
  return [...warnings, ...issuerWarnings(certificate)];
}

function clientCertificateWarnings({ tls }: DomainRecord): Warning[] {
  const { mode, trust, names, purpose } = tls.clientCertificate;
  const used =
    mode !== "none" || tls.exceptions.some((each) => (each.clientCertificateMode ?? "none") !== "none");
  if (!used) return [];
  const warnings = warning(
    "client-certificate-asked",
    "some senders break off the handshake when they are asked for a client certificate",
  );
  if (trust.publicRoots && purpose === "clientAuth")
    warnings.push({
      code: "public-roots-client-auth",
      message:
        "public CAs stopped issuing the usage clientAuth in 2026: few certificates under public roots will pass",
    });
  const stores = trust.trustStoreIds.length > 0;
  if (names.match === "any" && stores)
    warnings.push({
      code: "client-certificate-anybody",
      message: "match any takes every certificate that the trust stores vouch for, whatever its name",
    });
  return warnings;
}

function trustWarnings(domain: DomainRecord, { surroundings, nowMs }: WarningContext): Warning[] {
  const { trustStoreIds } = domain.tls.clientCertificate.trust;
  const stores = trustStoreIds.flatMap((id) => surroundings.trustStores.get(id) ?? []);
  return [...storeWarnings(trustStoreIds, { surroundings, nowMs }), ...nameWarnings(stores)];
}

/** Two CAs of one name: a CA that changed its key, or two partners whose CAs share a name. */
function nameWarnings(stores: readonly TrustStoreRecord[]): Warning[] {
  const anchors = new Map(
    stores.flatMap((store) => store.anchors.map((anchor) => [anchor.fingerprintSha256, anchor])),
  );
  const groups = [...Map.groupBy(anchors.values(), ({ subject }) => comparableText(subject)).values()];
  return firstOfEach(
    groups.flatMap((group) =>
      group.length < 2
        ? []
        : warning(
            "trust-anchors-share-name",
            `${group.length} CAs in the trust stores have the name ${JSON.stringify(group[0]?.subject)}: a client certificate that does not name the key of its issuer is tried with each, and deferred beyond a bound`,
          ),
    ),
  );
}

function storeWarnings(
  trustStoreIds: readonly TrustStoreId[],
  { surroundings, nowMs }: Pick<WarningContext, "surroundings" | "nowMs">,
): Warning[] {
  return trustStoreIds.flatMap((id) => {
    const store = surroundings.trustStores.get(id);
    if (store === undefined) return warning("trust-store-unreadable", `trust store ${id} cannot be read`);
    const anchors = store.anchors.flatMap(({ subject, notBefore, notAfter, limits }) => [
      ...ending(notAfter, nowMs, {
        expired: "trust-anchor-expired",
        expiring: "trust-anchor-expiring",
        text: `${JSON.stringify(subject)} in trust store ${id} ends at ${notAfter}`,
      }),
      ...(Date.parse(notBefore) > nowMs
        ? warning(
            "trust-anchor-not-yet-valid",
            `${JSON.stringify(subject)} in trust store ${id} is not valid before ${notBefore}: until then no client passes by it`,
          )
        : []),
      ...(limits === undefined
        ? []
        : limitWarning(`${JSON.stringify(subject)} in trust store ${id}`, limits)),
    ]);
    const crls = store.crls.flatMap(({ issuer, nextUpdate }) =>
      ending(nextUpdate, nowMs, {
        expired: "crl-expired",
        expiring: "crl-expiring",
        text: `the CRL of ${JSON.stringify(issuer)} in trust store ${id} is good until ${nextUpdate}; after that no certificate of this CA passes`,
        withinMs: CRL_EXPIRING_WITHIN_MS,
      }),
    );
    const uncovered = store.anchors.flatMap(({ subject, crlUntil }) =>
      crlUntil === null
        ? warning(
            "crl-missing",
            `trust store ${id} has CRLs and none of ${JSON.stringify(subject)}: no client of this CA passes`,
          )
        : [],
    );
    return [...firstOfEach(anchors), ...firstOfEach(crls), ...firstOfEach(uncovered)];
  });
}

function limitWarning(which: string, { isCa, usages }: AnchorLimits): Warning[] {
  const what = isCa ? "may issue" : "is not a CA: it passes as the client's own certificate only, and";
  const use = usages.length === 0 ? "neither clients nor servers" : usages.join(" and ");
  return warning("trust-anchor-limited", `${which} ${what} ${isCa ? "for" : "is for"} ${use} alone`);
}

/** One warning for each code, since a trust store may hold 200 anchors; it says how many more there are. */
function firstOfEach(warnings: readonly Warning[]): Warning[] {
  const codes = [...new Set(warnings.map(({ code }) => code))];
  return codes.flatMap((code) => {
    const [first, ...more] = warnings.filter((each) => each.code === code);
    if (first === undefined) return [];
    return more.length === 0
      ? first
      : { code, message: `${first.message} (and ${more.length} more like it)` };
  });
}

function deliveryWarnings({ delivery }: DomainRecord): Warning[] {
  if (delivery?.tls !== "opportunistic") return [];
  return warning(
    "delivery-opportunistic",
    "delivery.tls opportunistic is used only where the next hop is loopback or the operator allows it; elsewhere mail is deferred",
  );
}
