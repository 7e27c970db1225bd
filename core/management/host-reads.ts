import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { DomainWrite } from "./plan-write.ts";
import type { MxHost } from "../record/mx-host.ts";
import type { DomainWithHosts, Store } from "../store/store.ts";

/** A domain and the items of its hosts. */
export interface NamedHosts extends Pick<DomainWithHosts, "hosts"> {
  readonly domain: Pick<DomainRecord, "mxHosts">;
}

/**
 * Reads what `planWrite` needs to know of the MX hosts of one write. Those that the domain names already are known: the
 * condition of the request was judged by them.
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
  // One read answers the ordinary case: nobody names these hosts. Only a host that another account has just given up
  // can be named by domains that never claimed it, and then its claim counts them all.
  if ((await othersOn(unclaimed)) === 0) return found;
  for (const host of unclaimed) othersNaming.set(host, await othersOn([host]));
  return found;
}
