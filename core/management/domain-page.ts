import type { DomainRecord } from "../record/domain.ts";
import type { DomainFilter, Page, PageRequest, Store } from "../store/store.ts";
import { filteredPage, type WantedLabel, withLabels } from "./filtered-page.ts";

/** Hosts of one certificate that a store is asked to join with their domains: a read for each. */
const MOST_HOSTS_JOINED = 50;

export interface DomainPageFilter extends DomainFilter {
  /** Absent = domains with any labels. */
  readonly labels?: readonly WantedLabel[] | undefined;
}

/**
 * A page of the domains of an account. A store finds those of a certificate by its hosts, which a certificate
 * may have 100,000 of: then the account's domains are looked at in order. Those with labels are looked for in
 * the same way.
 */
export async function domainPage(
  store: Pick<Store, "listDomains" | "getMxHosts" | "useCount">,
  { labels = [], ...filter }: DomainPageFilter,
  page: PageRequest,
): Promise<Page<DomainRecord>> {
  const { certificateId, ...others } = filter;
  const isJoined =
    certificateId === undefined || (await store.useCount("certificate", certificateId)) <= MOST_HOSTS_JOINED;
  if (isJoined && labels.length === 0) return store.listDomains(filter, page);
  const listed = isJoined ? filter : others;
  const serving = async (items: readonly DomainRecord[]): Promise<readonly DomainRecord[]> => {
    if (isJoined) return items;
    const hosts = await store.getMxHosts([...new Set(items.flatMap(({ mxHosts }) => mxHosts))]);
    return items.filter(({ mxHosts }) =>
      mxHosts.some((name) => {
        const host = hosts.get(name);
        return host?.certificateId === certificateId && host.account === filter.account;
      }),
    );
  };
  return filteredPage(
    {
      read: (each) => store.listDomains(listed, each),
      keep: (items) => serving(withLabels(items, labels)),
      keyOf: ({ name }) => name,
    },
    page,
  );
}
