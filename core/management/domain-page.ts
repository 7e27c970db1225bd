import type { DomainRecord } from "../record/domain.ts";
import type { DomainFilter, Page, PageRequest, Store, UnreadableItem } from "../store/store.ts";

/** Hosts of one certificate that a store is asked to join with their domains: a read for each. */
const MOST_HOSTS_JOINED = 50;
/** Domains that one page looks at where it has to filter them itself. */
const MOST_LOOKED_AT = 1_000;
/**
 * Domains of one request to the store at least: where one is left to find, a request for each would take
 * seconds.
 */
const LEAST_AT_ONCE = 50;

/**
 * A page of the domains of an account. A store finds those of a certificate by its hosts, which a certificate
 * may have 100,000 of: then the account's domains are looked at in order, and a page ends early rather than
 * look at too many.
 */
export async function domainPage(
  store: Pick<Store, "listDomains" | "getMxHosts" | "useCount">,
  filter: DomainFilter,
  page: PageRequest,
): Promise<Page<DomainRecord>> {
  const { certificateId, ...others } = filter;
  if (certificateId === undefined) return store.listDomains(filter, page);
  if ((await store.useCount("certificate", certificateId)) <= MOST_HOSTS_JOINED)
    return store.listDomains(filter, page);
  const items: DomainRecord[] = [];
  const unreadable: UnreadableItem[] = [];
  let next: string | null = page.after ?? null;
  for (let lookedAt = 0; ; ) {
    const limit = Math.max(LEAST_AT_ONCE, page.limit - items.length);
    const found = await store.listDomains(others, { limit, after: next ?? undefined });
    const hosts = await store.getMxHosts([...new Set(found.items.flatMap(({ mxHosts }) => mxHosts))]);
    const serves = (name: DomainRecord["mxHosts"][number]): boolean => {
      const host = hosts.get(name);
      return host?.certificateId === certificateId && host.account === filter.account;
    };
    items.push(...found.items.filter(({ mxHosts }) => mxHosts.some(serves)));
    unreadable.push(...found.unreadable);
    lookedAt += limit;
    next = found.next;
    if (items.length > page.limit) return firstOf({ items, unreadable, limit: page.limit });
    if (next === null || items.length === page.limit || lookedAt >= MOST_LOOKED_AT)
      return { items, unreadable, next };
  }
}

/** The page that ends with its `limit`th domain, where more were found. */
function firstOf({
  items,
  unreadable,
  limit,
}: Pick<Page<DomainRecord>, "items" | "unreadable"> & { readonly limit: number }): Page<DomainRecord> {
  const shown = items.slice(0, limit);
  const next = shown.at(-1)?.name ?? null;
  return { items: shown, unreadable: unreadable.filter(({ id }) => next !== null && id < next), next };
}
