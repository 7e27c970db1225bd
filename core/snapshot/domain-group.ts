/** Domains counted by what they want of a connection, kept up to date without walking them. */
import type { DomainName } from "../name/domain-name.ts";
import type { ClientTrust, DomainRecord, TlsException } from "../record/domain.ts";
import { PersistentMap } from "./persistent-map.ts";

/** What one domain, or a group of them, means for a connection before any recipient is known. */
export interface DomainCounts {
  readonly domains: number;
  /** Level `accept` or `require`, or an exception with one: STARTTLS is worth offering. */
  readonly offeringTls: number;
  /** Mode other than `none`, or an exception with one: a client certificate is worth asking for. */
  readonly askingForCertificate: number;
  /**
   * Level `require`, enforcement `reject`, no exception that could loosen it: nothing is taken in plaintext.
   */
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

const expiriesAfter = (domain: DomainRecord, nowMs: number): number[] =>
  domain.tls.exceptions
    .map(({ expiresAt }) => (expiresAt === undefined ? nowMs : Date.parse(expiresAt)))
    .filter((expiryMs) => expiryMs > nowMs);

const isTimed = (domain: DomainRecord): boolean =>
  domain.tls.exceptions.some((e) => e.expiresAt !== undefined);

type TrustCounts = PersistentMap<string, { readonly trust: ClientTrust; readonly count: number }>;

/** What a group of several domains keeps so that it need not walk them. */
interface Several {
  readonly domains: PersistentMap<DomainName, DomainRecord>;
  /** Of the domains without expiring exceptions. */
  readonly counts: DomainCounts;
  readonly timed: PersistentMap<DomainName, DomainRecord>;
  /** Domains that may ask for a certificate, by their trust: JSON text to trust and number. */
  readonly trusts: TrustCounts;
}

const NO_DOMAINS = PersistentMap.from<DomainName, DomainRecord>([]);
const NO_TRUSTS: TrustCounts = PersistentMap.from([]);

/**
 * An immutable set of domains that answers for all of them at once: the domains of one snapshot, or of one MX
 * host. A host may serve 100,000 domains, so nothing here walks them; those with an expiring exception are
 * counted by the clock. And 100,000 hosts may serve one domain each, so a group of one is that domain and
 * nothing else.
 */
export class DomainGroup {
  static readonly EMPTY = new DomainGroup({
    domains: NO_DOMAINS,
    counts: NO_DOMAIN,
    timed: NO_DOMAINS,
    trusts: NO_TRUSTS,
  });

  readonly #several: Several | null;
  readonly #only: DomainRecord | null;

  private constructor(content: Several | DomainRecord) {
    this.#several = "domains" in content ? content : null;
    this.#only = "domains" in content ? null : content;
  }

  static of(domains: readonly DomainRecord[]): DomainGroup {
    const [only] = domains;
    if (only === undefined) return DomainGroup.EMPTY;
    return domains.length === 1 ? DomainGroup.ofOne(only) : new DomainGroup(severalOf(domains));
  }

  static ofOne(domain: DomainRecord): DomainGroup {
    return new DomainGroup(domain);
  }

  get size(): number {
    return this.#several?.domains.size ?? 1;
  }

  get(name: DomainName): DomainRecord | undefined {
    if (this.#several !== null) return this.#several.domains.get(name);
    return this.#only?.name === name ? this.#only : undefined;
  }

  *names(): Iterable<DomainName> {
    for (const { name } of this.records()) yield name;
  }

  records(): Iterable<DomainRecord> {
    if (this.#several !== null) return this.#several.domains.values();
    return this.#only === null ? [] : [this.#only];
  }

  /** The group with this record in place of the one of that name; `undefined` takes it out. */
  with(name: DomainName, record: DomainRecord | undefined): DomainGroup {
    const before = this.get(name);
    if (before === record) return this;
    if (record !== undefined && this.size === (before === undefined ? 0 : 1))
      return DomainGroup.ofOne(record);
    const several = this.#several ?? severalOf(this.#only === null ? [] : [this.#only]);
    return new DomainGroup(changed(several, name, record));
  }

  /** Counts at a moment, without the domains named in `except`: those that a listener does not serve. */
  countsAt(nowMs: number, except: Iterable<DomainName> = []): DomainCounts {
    let counts = this.#several === null ? this.#countsOfOnly(nowMs) : countsOfSeveral(this.#several, nowMs);
    for (const name of except) {
      const domain = this.get(name);
      if (domain !== undefined) counts = add(counts, countsOf(domain, nowMs), -1);
    }
    return counts;
  }

  #countsOfOnly(nowMs: number): DomainCounts {
    return this.#only === null ? NO_DOMAIN : countsOf(this.#only, nowMs);
  }

  /**
   * The one trust that every domain here that may ask for a certificate has; null when there is none or more
   * than one.
   */
  commonTrust(): ClientTrust | null {
    if (this.#only !== null) {
      return trustKey(this.#only) === null ? null : this.#only.tls.clientCertificate.trust;
    }
    const trusts = this.#several?.trusts ?? NO_TRUSTS;
    if (trusts.size !== 1) return null;
    for (const { trust } of trusts.values()) return trust;
    return null;
  }
}

/** Good from one moment to the next expiry. */
const TIMED_COUNTS = new WeakMap<Several, { counts: DomainCounts; fromMs: number; untilMs: number }>();

/** Every EHLO asks, and every domain may have an expiring exception: they are walked once for each expiry. */
function countsOfSeveral(several: Several, nowMs: number): DomainCounts {
  if (several.timed.size === 0) return several.counts;
  const known = TIMED_COUNTS.get(several);
  if (known !== undefined && known.fromMs <= nowMs && nowMs < known.untilMs) return known.counts;
  let { counts } = several;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const domain of several.timed.values()) {
    counts = add(counts, countsOf(domain, nowMs), 1);
    untilMs = Math.min(untilMs, ...expiriesAfter(domain, nowMs));
  }
  TIMED_COUNTS.set(several, { counts, fromMs: nowMs, untilMs });
  return counts;
}

function severalOf(domains: readonly DomainRecord[]): Several {
  let counts = NO_DOMAIN;
  const trusts = new Map<string, { trust: ClientTrust; count: number }>();
  for (const domain of domains) {
    if (!isTimed(domain)) counts = add(counts, countsOf(domain, 0), 1);
    const key = trustKey(domain);
    if (key === null) continue;
    const trust = domain.tls.clientCertificate.trust;
    trusts.set(key, { trust, count: (trusts.get(key)?.count ?? 0) + 1 });
  }
  const timed = domains.filter(isTimed);
  return {
    domains: byName(domains),
    counts,
    timed: timed.length === 0 ? NO_DOMAINS : byName(timed),
    trusts: trusts.size === 0 ? NO_TRUSTS : PersistentMap.from(trusts),
  };
}

const byName = (domains: readonly DomainRecord[]): PersistentMap<DomainName, DomainRecord> =>
  PersistentMap.fromValues(domains, ({ name }) => name);

function changed(before: Several, name: DomainName, record: DomainRecord | undefined): Several {
  let { counts, trusts } = before;
  const old = before.domains.get(name);
  if (old !== undefined) {
    if (!isTimed(old)) counts = add(counts, countsOf(old, 0), -1);
    trusts = withTrust(trusts, old, -1);
  }
  if (record !== undefined) {
    if (!isTimed(record)) counts = add(counts, countsOf(record, 0), 1);
    trusts = withTrust(trusts, record, 1);
  }
  const timed = before.timed.with(name, record !== undefined && isTimed(record) ? record : undefined);
  return { domains: before.domains.with(name, record), counts, timed, trusts };
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
