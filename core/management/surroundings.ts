/** Records that domains refer to, read once for a page of domains. */

import { isOneMoment } from "../store/shown-domain.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { DomainName } from "../name/domain-name.ts";
import { Unreadable } from "../errors.ts";
import type { DomainRecord, DomainSettings } from "../record/domain.ts";
import { type MxHost } from "../record/mx-host.ts";
import type { DomainWithHosts, Store } from "../store/store.ts";

/** The records that some domains refer to, as far as they exist and can be read. */
export interface Surroundings {
  readonly hosts: ReadonlyMap<DomainName, MxHost>;
  readonly certificates: ReadonlyMap<CertificateId, CertificateRecord>;
  readonly trustStores: ReadonlyMap<TrustStoreId, TrustStoreRecord>;
}

/**
 * The domains of a list with their hosts, each host read once. A domain for which that may mix two moments is
 * read again by itself; one that is gone by then is left out.
 * @throws Unavailable
 */
export async function readHostsOf(
  store: Pick<Store, "getMxHosts" | "getDomainWithHosts">,
  domains: readonly DomainRecord[],
): Promise<readonly Pick<DomainWithHosts, "domain" | "hosts">[]> {
  const all = await store.getMxHosts([...new Set(domains.flatMap(({ mxHosts }) => mxHosts))]);
  const found: Pick<DomainWithHosts, "domain" | "hosts">[] = [];
  for (const domain of domains) {
    const hosts = new Map(domain.mxHosts.flatMap((name) => hostEntry(all, name)));
    const read = isOneMoment(domain, hosts)
      ? { domain, hosts }
      : await readable(() => store.getDomainWithHosts(domain.name));
    if (read !== null && read.domain.account === domain.account) found.push(read);
  }
  return found;
}

function hostEntry(hosts: ReadonlyMap<DomainName, MxHost>, name: DomainName): [DomainName, MxHost][] {
  const item = hosts.get(name);
  return item === undefined ? [] : [[name, item]];
}

/** What domains refer to, each record read once; their host items are known. @throws Unavailable */
export async function readReferences(
  store: Pick<Store, "getCertificate" | "getTrustStore">,
  domains: readonly Pick<DomainSettings, "tls">[],
  hosts: ReadonlyMap<DomainName, MxHost>,
): Promise<Surroundings> {
  const certificateIds = new Set([...hosts.values()].flatMap(({ certificateId }) => certificateId ?? []));
  const trustStoreIds = new Set(domains.flatMap(({ tls }) => tls.clientCertificate.trust.trustStoreIds));
  return {
    hosts,
    certificates: await readAll(certificateIds, (id) => store.getCertificate(id)),
    trustStores: await readAll(trustStoreIds, (id) => store.getTrustStore(id)),
  };
}

async function readAll<Id, T>(
  ids: ReadonlySet<Id>,
  read: (id: Id) => Promise<T | null>,
): Promise<Map<Id, T>> {
  const found = new Map<Id, T>();
  for (const id of ids) {
    const record = await readable(() => read(id));
    if (record !== null) found.set(id, record);
  }
  return found;
}

/**
 * One record that cannot be read must not hide the domains that refer to it: the warnings say that it is
 * missing.
 */
async function readable<T>(read: () => Promise<T | null>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
}
