/** Plan of a domain write: which MX hosts it claims, changes and releases, and which uses it counts. */

import type { Every } from "../same-fields.ts";
import { certificateView } from "../store/shown-domain.ts";
import type { CertificateId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { ClientTrust, DomainRecord } from "../record/domain.ts";
import type { MxHost, MxHostChange, MxHostRead, StoredHostField } from "../record/mx-host.ts";
import type { DomainWithHosts, Store, UnreadableRecord, UseChange } from "../store/store.ts";

/** What a write rests on of a domain. */
export interface PlannedDomain extends Pick<DomainRecord, "account" | "mxHosts"> {
  readonly tls: {
    readonly clientCertificate: { readonly trust: Pick<ClientTrust, "trustStoreIds"> };
  };
}

/** One write of a domain, and what `readHosts` found at the revision that it is validated against. */
export interface DomainWrite {
  /** As stored; null = the write creates. */
  readonly before: PlannedDomain | null;
  /** null = the write deletes. */
  readonly after: PlannedDomain | null;
  /**
   * The certificate that the domain reads as afterwards; null = the edge's default. A write that does not set
   * it passes `certificateView` of the domain before, not the stored field. Not looked at when the write
   * deletes.
   */
  readonly certificateId: CertificateId | null;
  /** The host items that exist, of every name in `before` and `after`. */
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
  /**
   * For a host without an item: how many *other* domains of the account name it already; absent = 0. It is
   * above 0 only after another account has given the host up.
   */
  readonly othersNaming: ReadonlyMap<DomainName, number>;
  /**
   * Hosts without an item that the account may name and not claim: they are the operator's, or pending.
   * Absent = none.
   */
  readonly reservedHosts?: readonly DomainName[];
  /** The write claims hosts although neither they nor the certificate change. Absent = it does not. */
  readonly claimsHosts?: boolean;
}

/** What a write of a domain does beside its record. */
export interface WritePlan {
  readonly hosts: readonly MxHostChange[];
  /** What was read of the other hosts, before and after: `Commit.hostsRead`. */
  readonly hostsRead: readonly MxHostRead[];
  /** At most one entry for each record. */
  readonly uses: readonly UseChange[];
  /**
   * Own hosts whose certificate would change for other domains of the account too: 409 `shared-host` unless
   * moving.
   */
  readonly sharedHosts: readonly DomainName[];
  /**
   * Hosts of another account or of the operator, and pending ones, left untouched: with a certificate the
   * write is 409 `host-taken`.
   */
  readonly foreignHosts: readonly DomainName[];
}

/**
 * Derives claims and use counts of a write (semantics.md section 1, "A certificate belongs to the MX host").
 *
 * A write that leaves `mxHosts` and the certificate, as viewed, alone touches no host. One that changes only
 * `mxHosts` gives added hosts the certificate and leaves the others as they are, unless the domain would then
 * read as another certificate than the one it was given. Any other sets the certificate for all of the
 * domain's own hosts.
 *
 * Every write puts a new item in the place of an own host's that cannot be read, with the certificate that it
 * had.
 */
export function planWrite(write: DomainWrite): WritePlan {
  const hosts = touchesHosts(write) ? hostChanges(write) : [];
  const changed = new Set(hosts.map(({ host }) => host));
  const others = [...new Set([...namesOf(write.before), ...namesOf(write.after)])].filter(
    (name) => !changed.has(name) && !isDamaged(write, name),
  );
  return {
    hosts,
    hostsRead: others.map((host) => ({ host, item: write.hosts.get(host) ?? null })),
    uses: [...certificateUses(write, hosts), ...trustStoreUses(write)],
    sharedHosts: hosts.filter((change) => changesForOthers(write, change)).map((change) => change.host),
    foreignHosts: namesOf(write.after).filter((name) => isForeign(write, name)),
  };
}

const namesOf = (domain: PlannedDomain | null): DomainName[] => [...new Set(domain?.mxHosts ?? [])];

const isDamaged = ({ hosts }: DomainWrite, name: DomainName): boolean => hosts.get(name)?.isDamaged === true;

const accountOf = ({ before, after }: DomainWrite): string | undefined => (after ?? before)?.account;

function isForeign(write: DomainWrite, name: DomainName): boolean {
  const item = write.hosts.get(name);
  if (item === undefined) return write.reservedHosts?.includes(name) === true;
  return item.account !== accountOf(write);
}

function touchesHosts(write: DomainWrite): boolean {
  const { before, after, certificateId, hosts } = write;
  if (before === null || after === null || write.claimsHosts === true) return true;
  if (namesOf(after).some((name) => isDamaged(write, name) && !isForeign(write, name))) return true;
  // In order: the first own host is the one that the domain's certificate is read from.
  const sameHosts =
    before.mxHosts.length === after.mxHosts.length &&
    before.mxHosts.every((name, index) => name === after.mxHosts[index]);
  return !sameHosts || certificateId !== certificateView(before, hosts);
}

function hostChanges(write: DomainWrite): MxHostChange[] {
  const { before, after, certificateId, hosts } = write;
  const claims = new Map(namesOf(after).flatMap((name) => claim(write, name) ?? []));
  const setsCertificate =
    before === null ||
    after === null ||
    certificateId !== certificateView(before, hosts) ||
    certificateId !== certificateView(after, claims);
  if (setsCertificate) for (const [name, item] of claims) claims.set(name, { ...item, certificateId });

  const released = namesOf(before).filter(
    (name) => !claims.has(name) && hosts.has(name) && !isForeign(write, name),
  );
  return [
    ...[...claims].map(([host, item]) => ({ host, before: hosts.get(host) ?? null, after: item })),
    ...released.map((host) => ({ host, before: hosts.get(host) ?? null, after: release(hosts.get(host)) })),
  ].filter((change) => !isSameItem(change.before, change.after));
}

/**
 * The host's item when the domain afterwards names it, with its present certificate when it was named before.
 */
function claim(write: DomainWrite, host: DomainName): [[DomainName, MxHost]] | null {
  if (write.after === null || isForeign(write, host)) return null;
  const { account } = write.after;
  const item = write.hosts.get(host);
  const namedBefore = namesBefore(write, host);
  const certificateId = item !== undefined && namedBefore ? item.certificateId : write.certificateId;
  const domainCount = othersOf(write, host) + 1;
  const claimed = { host, account, certificateId, domainCount } satisfies Every<Pick<MxHost, PlannedField>>;
  return [[host, claimed]];
}

function release(item: MxHost | undefined): MxHost | null {
  if (item === undefined || item.domainCount <= 1) return null;
  const { isDamaged: _, ...whole } = item;
  return { ...whole, domainCount: item.domainCount - 1 };
}

const namesBefore = ({ before }: DomainWrite, host: DomainName): boolean =>
  before?.mxHosts.includes(host) ?? false;

/** Other domains of the account that name a host which is not another account's. */
function othersOf(write: DomainWrite, host: DomainName): number {
  const item = write.hosts.get(host);
  if (item === undefined) return write.othersNaming.get(host) ?? 0;
  return Math.max(0, item.domainCount - (namesBefore(write, host) ? 1 : 0));
}

/**
 * What a plan sets of an item; the revision of its certificate is the store's (`withCertificateRevision`).
 */
type PlannedField = Exclude<StoredHostField, "certificateRevision">;
const PLANNED = {
  host: true,
  account: true,
  certificateId: true,
  domainCount: true,
} as const satisfies Record<PlannedField, true>;
const PLANNED_FIELDS = Object.keys(PLANNED) as PlannedField[];

const isSameItem = (a: MxHost | null, b: MxHost | null): boolean =>
  a?.isDamaged !== true && PLANNED_FIELDS.every((field) => a?.[field] === b?.[field]);

function changesForOthers(write: DomainWrite, change: MxHostChange): boolean {
  if (change.after === null) return false;
  const serves = change.before?.certificateId ?? null;
  return serves !== change.after.certificateId && othersOf(write, change.host) > 0;
}

/** Uses of a certificate are hosts; one that is only named must exist. */
function certificateUses(write: DomainWrite, hosts: readonly MxHostChange[]): UseChange[] {
  const deltas = new Map<CertificateId, number>();
  const add = (id: CertificateId | null | undefined, delta: number): void => {
    if (id !== null && id !== undefined) deltas.set(id, (deltas.get(id) ?? 0) + delta);
  };
  const named = write.after === null ? null : write.certificateId;
  add(named, 0);
  for (const { before, after } of hosts) {
    add(before?.certificateId, -1);
    add(after?.certificateId, 1);
  }
  return [...deltas]
    .filter(([id, delta]) => delta !== 0 || id === named)
    .map(([id, delta]) => ({ kind: "certificate", id, delta }));
}

/** Uses of a trust store are domains: a domain counts once however often it names one. */
function trustStoreUses({ before, after }: DomainWrite): UseChange[] {
  const old = new Set(before?.tls.clientCertificate.trust.trustStoreIds);
  const wanted = new Set(after?.tls.clientCertificate.trust.trustStoreIds);
  return [...new Set([...wanted, ...old])].map((id) => ({
    kind: "trust-store",
    id,
    delta: Number(wanted.has(id)) - Number(old.has(id)),
  }));
}

/** A domain and the items of its hosts. */
export interface NamedHosts extends Pick<DomainWithHosts, "hosts"> {
  readonly domain: Pick<DomainRecord, "mxHosts">;
}

/**
 * Reads what `planWrite` needs to know of the MX hosts of one write. Those that the domain names already are
 * known: the condition of the request was judged by them.
 *
 * @throws Unavailable when the store does not answer.
 */
export async function readHosts(
  store: Pick<Store, "getMxHosts" | "domainsOnHosts">,
  before: NamedHosts | null,
  after: Pick<DomainRecord, "account" | "mxHosts"> | null,
): Promise<Pick<DomainWrite, "hosts" | "othersNaming">> {
  const known = before?.hosts ?? new Map<DomainName, MxHost>();
  const added = [...new Set(after?.mxHosts)].filter((host) => before?.domain.mxHosts.includes(host) !== true);
  const hosts = new Map([...known, ...(added.length === 0 ? [] : await store.getMxHosts(added))]);
  const unclaimed = [...new Set(after?.mxHosts)].filter((host) => !hosts.has(host));
  const othersNaming = new Map<DomainName, number>();
  const found = { hosts, othersNaming };
  if (after === null || unclaimed.length === 0) return found;

  const othersOn = async (names: readonly DomainName[]): Promise<number> => {
    const { count } = await store.domainsOnHosts(after.account, names, 1);
    return names.some((name) => before?.domain.mxHosts.includes(name)) ? count - 1 : count;
  };
  // One read answers the ordinary case: no other domain names these hosts. Only a host that another account
  // has just given up can be named by domains that never claimed it, and then its claim counts them all.
  if ((await othersOn(unclaimed)) === 0) return found;
  for (const host of unclaimed) othersNaming.set(host, await othersOn([host]));
  return found;
}

/** A domain that cannot be read as a write plans with it: what it names is given up. */
export async function plannedOf(
  store: Pick<Store, "getMxHosts">,
  account: DomainRecord["account"],
  { mxHosts, trustStoreIds }: UnreadableRecord,
): Promise<NamedHosts & { readonly domain: PlannedDomain }> {
  const domain = { account, mxHosts, tls: { clientCertificate: { trust: { trustStoreIds } } } };
  return { domain, hosts: await store.getMxHosts(mxHosts) };
}
