import type { DomainName } from "../domain-name/domain-name.ts";
import type { ClientTrust, DomainRecord, TlsException } from "./domain.ts";
import { PersistentMap } from "./persistent-map.ts";

/** What one domain, or a group of them, means for a connection before any recipient is known. */
export interface DomainCounts {
  readonly domains: number;
  /** Level `accept` or `require`, or an exception with one: STARTTLS is worth offering. */
  readonly offeringTls: number;
  /** Mode other than `none`, or an exception with one: a client certificate is worth asking for. */
  readonly askingForCertificate: number;
  /** Level `require`, enforcement `reject`, no exception that could loosen it: nothing is taken in plaintext. */
  readonly strictlyRequiringTls: number;
}

/** Counts of an empty group. */
export const NO_DOMAIN: DomainCounts = {
  domains: 0,
  offeringTls: 0,
  askingForCertificate: 0,
  strictlyRequiringTls: 0,
};

/** An exception is in force until it expires. */
export const isInForce = (exception: TlsException, nowMs: number): boolean =>
  exception.expiresAt === undefined || Date.parse(exception.expiresAt) > nowMs;

export function countsOf(domain: DomainRecord, nowMs: number): DomainCounts {
  const { server, clientCertificate, enforcement } = domain.tls;
  const exceptions = domain.tls.exceptions.filter((exception) => isInForce(exception, nowMs));
  const offers =
    server.level !== "none" || exceptions.some((e) => e.level !== undefined && e.level !== "none");
  const asks =
    clientCertificate.mode !== "none" ||
    exceptions.some((e) => e.clientCertificateMode !== undefined && e.clientCertificateMode !== "none");
  // A `clientName` never holds in plaintext, so such an exception cannot loosen the demand for TLS.
  const loosened = exceptions.some(
    (e) => e.match.clientName === undefined && e.level !== undefined && e.level !== "require",
  );
  const strict = server.level === "require" && enforcement === "reject" && !loosened;
  return {
    domains: 1,
    offeringTls: offers ? 1 : 0,
    askingForCertificate: asks ? 1 : 0,
    strictlyRequiringTls: strict ? 1 : 0,
  };
}

function add(a: DomainCounts, b: DomainCounts, sign: 1 | -1): DomainCounts {
  return {
    domains: a.domains + sign * b.domains,
    offeringTls: a.offeringTls + sign * b.offeringTls,
    askingForCertificate: a.askingForCertificate + sign * b.askingForCertificate,
    strictlyRequiringTls: a.strictlyRequiringTls + sign * b.strictlyRequiringTls,
  };
}

const isTimed = (domain: DomainRecord): boolean =>
  domain.tls.exceptions.some((e) => e.expiresAt !== undefined);

/** Domains that may ask for a certificate, by their trust: JSON text to trust and number. */
type TrustCounts = PersistentMap<string, { readonly trust: ClientTrust; readonly count: number }>;

interface DomainGroupParts {
  readonly domains: PersistentMap<DomainName, DomainRecord>;
  /** Of the domains without expiring exceptions. */
  readonly counts: DomainCounts;
  /** Domains with expiring exceptions. */
  readonly timed: PersistentMap<DomainName, DomainRecord>;
  readonly trusts: TrustCounts;
}

/**
 * An immutable set of domains that answers for all of them at once: the domains of one snapshot, or of one MX host.
 * A host may serve 100,000 domains, so nothing here walks them; those with an expiring exception are counted by the clock.
 */
export class DomainGroup {
  static readonly EMPTY = new DomainGroup({
    domains: PersistentMap.from<DomainName, DomainRecord>([]),
    counts: NO_DOMAIN,
    timed: PersistentMap.from([]),
    trusts: PersistentMap.from([]),
  });

  readonly #domains: DomainGroupParts["domains"];
  readonly #counts: DomainCounts;
  readonly #timed: DomainGroupParts["timed"];
  readonly #trusts: TrustCounts;

  private constructor({ domains, counts, timed, trusts }: DomainGroupParts) {
    this.#domains = domains;
    this.#counts = counts;
    this.#timed = timed;
    this.#trusts = trusts;
  }

  static of(domains: readonly DomainRecord[]): DomainGroup {
    let counts = NO_DOMAIN;
    const trusts = new Map<string, { trust: ClientTrust; count: number }>();
    for (const domain of domains) {
      if (!isTimed(domain)) counts = add(counts, countsOf(domain, 0), 1);
      const key = trustKey(domain);
      if (key !== null)
        trusts.set(key, {
          trust: domain.tls.clientCertificate.trust,
          count: (trusts.get(key)?.count ?? 0) + 1,
        });
    }
    const byName = (list: readonly DomainRecord[]) =>
      PersistentMap.from(list.map((domain) => [domain.name, domain] as const));
    return new DomainGroup({
      domains: byName(domains),
      counts,
      timed: byName(domains.filter(isTimed)),
      trusts: PersistentMap.from(trusts),
    });
  }

  get size(): number {
    return this.#domains.size;
  }

  get(name: DomainName): DomainRecord | undefined {
    return this.#domains.get(name);
  }

  names(): Iterable<DomainName> {
    return this.#domains.keys();
  }

  records(): Iterable<DomainRecord> {
    return this.#domains.values();
  }

  /** The group with this record in place of the one of that name; `undefined` takes it out. */
  with(name: DomainName, record: DomainRecord | undefined): DomainGroup {
    const before = this.#domains.get(name);
    if (before === record) return this;
    let counts = this.#counts;
    let trusts = this.#trusts;
    if (before !== undefined) {
      if (!isTimed(before)) counts = add(counts, countsOf(before, 0), -1);
      trusts = withTrust(trusts, before, -1);
    }
    if (record !== undefined) {
      if (!isTimed(record)) counts = add(counts, countsOf(record, 0), 1);
      trusts = withTrust(trusts, record, 1);
    }
    const timed = this.#timed.with(name, record !== undefined && isTimed(record) ? record : undefined);
    return new DomainGroup({ domains: this.#domains.with(name, record), counts, timed, trusts });
  }

  /** Counts at a moment, without the domains named in `except`: those that a listener does not serve. */
  countsAt(nowMs: number, except: Iterable<DomainName> = []): DomainCounts {
    let counts = this.#counts;
    for (const domain of this.#timed.values()) counts = add(counts, countsOf(domain, nowMs), 1);
    for (const name of except) {
      const domain = this.#domains.get(name);
      if (domain !== undefined) counts = add(counts, countsOf(domain, nowMs), -1);
    }
    return counts;
  }

  /** The one trust that every domain here that may ask for a certificate has; null when there is none or more than one. */
  commonTrust(): ClientTrust | null {
    if (this.#trusts.size !== 1) return null;
    for (const { trust } of this.#trusts.values()) return trust;
    return null;
  }
}

function trustKey(domain: DomainRecord): string | null {
  const { clientCertificate, exceptions } = domain.tls;
  const mayAsk =
    clientCertificate.mode !== "none" ||
    exceptions.some((e) => e.clientCertificateMode !== undefined && e.clientCertificateMode !== "none");
  if (!mayAsk) return null;
  const { publicRoots, trustStoreIds, pins } = clientCertificate.trust;
  return JSON.stringify([publicRoots, trustStoreIds.toSorted(), pins.toSorted()]);
}

function withTrust(trusts: TrustCounts, domain: DomainRecord, by: 1 | -1): typeof trusts {
  const key = trustKey(domain);
  if (key === null) return trusts;
  const count = (trusts.get(key)?.count ?? 0) + by;
  return trusts.with(key, count <= 0 ? undefined : { trust: domain.tls.clientCertificate.trust, count });
}
