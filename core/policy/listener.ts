/** What a listener serves, offers and asks for before any recipient is known. */
import type { DomainName } from "../name/domain-name.ts";
import { countsOf, type DomainCounts, NO_DOMAIN } from "../snapshot/domain-group.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { HostView, Snapshot } from "../snapshot/snapshot-view.ts";
import type { ListenerView } from "./facts.ts";

/**
 * A listener among its edge's listeners, under one snapshot: what it offers before any recipient is known.
 */
export interface ListenerSituation {
  readonly snapshot: Snapshot;
  readonly listener: ListenerView;
  /** Domains that have a dedicated listener on this edge: row 1 on every other one. */
  readonly dedicatedDomains: ReadonlySet<DomainName>;
  readonly nowMs: number;
}

/** The domain as this listener serves it. */
export function reachableDomain(
  { snapshot, listener, dedicatedDomains }: ListenerSituation,
  name: DomainName,
): DomainRecord | "unusable" | "absent" {
  const served = listener.dedicatedTo === null ? !dedicatedDomains.has(name) : listener.dedicatedTo === name;
  return served ? (snapshot.domain(name) ?? "absent") : "absent";
}

/**
 * Whether STARTTLS is offered, given a usable certificate. A shared listener without any domain offers it,
 * and so does a dedicated one whose domain has settings that cannot be read: they may ask for TLS.
 */
export function offersStarttls(situation: ListenerSituation): boolean {
  const { listener, snapshot } = situation;
  const counts = countsOn(situation);
  if (counts.domains > 0) return counts.offeringTls > 0;
  return listener.dedicatedTo === null || snapshot.domain(listener.dedicatedTo) === "unusable";
}

/** What a session has of TLS at MAIL. */
export interface MailInSession {
  readonly isSecure: boolean;
  /** STARTTLS was offered on this connection. */
  readonly isOffered: boolean;
}

/** Whether MAIL is refused with `530`: in plaintext, where STARTTLS is offered and `mailNeedsTls`. */
export const mailNeedsStarttls = (
  situation: ListenerSituation,
  { isSecure, isOffered }: MailInSession,
): boolean => !isSecure && isOffered && mailNeedsTls(situation);

/**
 * Row 3 at MAIL: `530` in plaintext, because no recipient here could be taken. A domain whose settings were
 * never readable may have any level: its mail is deferred at RCPT (row 2), not bounced here.
 */
export function mailNeedsTls(situation: ListenerSituation): boolean {
  const counts = countsOn(situation);
  if (counts.domains === 0 || counts.strictlyRequiringTls !== counts.domains) return false;
  return !situation.snapshot.unreadable.some(
    ({ kind, id }) => kind === "domain" && reachableDomain(situation, id as DomainName) === "unusable",
  );
}

/**
 * Whether the handshake asks for a client certificate: when a domain of the MX host named in SNI may want
 * one; for an unknown or absent name, when any domain of the listener does. A dedicated listener asks
 * whatever the SNI.
 */
export function asksForCertificate(situation: ListenerSituation, sni: DomainName | null): boolean {
  const host = sniHost(situation, sni);
  if (host === null) return countsOn(situation).askingForCertificate > 0;
  return host.domains.countsAt(situation.nowMs, situation.dedicatedDomains).askingForCertificate > 0;
}

/**
 * The MX host that SNI names on a shared listener; null = unknown or absent there, or a dedicated listener.
 */
export function sniHost({ snapshot, listener }: ListenerSituation, sni: DomainName | null): HostView | null {
  if (listener.dedicatedTo !== null || sni === null) return null;
  return snapshot.host(sni) ?? null;
}

function countsOn({ snapshot, listener, dedicatedDomains, nowMs }: ListenerSituation): DomainCounts {
  if (listener.dedicatedTo === null) return snapshot.domains.countsAt(nowMs, dedicatedDomains);
  const domain = snapshot.domain(listener.dedicatedTo);
  if (domain === undefined || domain === "unusable") return NO_DOMAIN;
  return countsOf(domain, nowMs);
}
