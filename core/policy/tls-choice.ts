import type { CertificateRecord } from "../record/certificate.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import type { ResolvedTrust } from "./chain-verifier.ts";
import { asksForCertificate, type ListenerSituation, sniHost } from "./listener.ts";
import type { TrustResolver } from "./trust.ts";
import type { ClientTrust, DomainRecord } from "../record/domain.ts";
import type { Snapshot } from "../snapshot/snapshot-view.ts";

/** What one handshake is made of. */
export interface TlsChoice {
  /** The MX host whose context it is; null = the edge's default. */
  readonly host: DomainName | null;
  /** null = the edge's default certificate. */
  readonly certificate: CertificateRecord | null;
  /**
   * What the handshake verifies against and names in its CertificateRequest; null = no anchors, judged after
   * the handshake.
   */
  readonly trust: ResolvedTrust | null;
  readonly ask: boolean;
}

/**
 * Chooses by SNI what a handshake presents and asks for. Never fails: an absent, unknown or literal name gets
 * the default (MTA-STS and DANE clients rely on it).
 */
export function chooseTls(
  situation: ListenerSituation,
  sni: DomainName | null,
  resolver: TrustResolver,
): TlsChoice {
  const ask = asksForCertificate(situation, sni);
  const { dedicatedTo } = situation.listener;
  if (dedicatedTo !== null) return chooseDedicated(situation, { dedicatedTo, sni, ask, resolver });
  const { snapshot } = situation;
  const host = sniHost(situation, sni);
  if (host === null) return { host: null, certificate: null, trust: null, ask };
  return {
    host: host.host,
    certificate: host.certificateId === null ? null : (snapshot.certificate(host.certificateId) ?? null),
    trust: ask ? handshakeTrust(snapshot, host.domains.commonTrust(), resolver) : null,
    ask,
  };
}

/**
 * The MX host that a server name of a ClientHello can name: A-labels, lower case, one trailing dot off
 * (semantics.md section 2). null = it names none, like an address literal.
 */
export const sniName = (serverName: string): DomainName | null =>
  /[^\x21-\x7e]/.test(serverName) ? null : toDomainName(serverName);

interface Dedicated {
  readonly dedicatedTo: DomainName;
  readonly sni: DomainName | null;
  readonly ask: boolean;
  readonly resolver: TrustResolver;
}

/** A dedicated listener presents its domain's certificate whatever the SNI. */
function chooseDedicated(
  { snapshot }: ListenerSituation,
  { dedicatedTo, sni, ask, resolver }: Dedicated,
): TlsChoice {
  const domain = snapshot.domain(dedicatedTo);
  if (domain === undefined || domain === "unusable")
    return { host: null, certificate: null, trust: null, ask };
  const known = sni !== null && domain.mxHosts.includes(sni);
  return {
    host: known ? sni : (domain.mxHosts[0] ?? null),
    certificate: dedicatedCertificate(snapshot, domain, sni),
    trust: ask && known ? handshakeTrust(snapshot, domain.tls.clientCertificate.trust, resolver) : null,
    ask,
  };
}

/** That of the host asked for, else of the first of the domain's hosts that has one. */
function dedicatedCertificate(
  snapshot: Snapshot,
  domain: DomainRecord,
  sni: DomainName | null,
): CertificateRecord | null {
  const hosts = sni !== null && domain.mxHosts.includes(sni) ? [sni] : domain.mxHosts;
  for (const name of hosts) {
    const id = snapshot.host(name)?.certificateId ?? null;
    const certificate = id === null ? undefined : snapshot.certificate(id);
    if (certificate !== undefined) return certificate;
  }
  return null;
}

/**
 * A trust goes into the handshake only when it is one for all who ask, and small: public roots would swell
 * the CertificateRequest from 0.9 to 12.7 KB, and with pins clients that choose by the list would send
 * nothing.
 */
function handshakeTrust(
  snapshot: Snapshot,
  trust: ClientTrust | null,
  resolver: TrustResolver,
): ResolvedTrust | null {
  if (trust === null || trust.publicRoots || trust.pins.length > 0) return null;
  const resolved = resolver.resolve(snapshot, trust);
  return resolved.unusable || resolved.anchorsPem.length === 0 ? null : resolved;
}
