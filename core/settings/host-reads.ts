import type { DomainName } from "../domain-name/domain-name.ts";
import type { DomainRecord } from "./domain.ts";
import type { DomainWrite } from "./plan-write.ts";
import type { Store } from "./store.ts";

type NamedHosts = Pick<DomainRecord, "account" | "mxHosts">;

/**
 * Reads what `planWrite` needs to know of the MX hosts of one write.
 *
 * @throws Unreadable when a host item cannot be read; Unavailable when the store does not answer.
 */
export async function readHosts(
  store: Pick<Store, "getMxHosts" | "domainsOnHosts">,
  before: NamedHosts | null,
  after: NamedHosts | null,
): Promise<Pick<DomainWrite, "hosts" | "othersNaming">> {
  const hosts = await store.getMxHosts([...new Set([...(before?.mxHosts ?? []), ...(after?.mxHosts ?? [])])]);
  const unclaimed = [...new Set(after?.mxHosts)].filter((host) => !hosts.has(host));
  const othersNaming = new Map<DomainName, number>();
  if (after === null || unclaimed.length === 0) return { hosts, othersNaming };

  const othersOn = async (names: readonly DomainName[]): Promise<number> => {
    const { count } = await store.domainsOnHosts(after.account, names, 1);
    return names.some((name) => before?.mxHosts.includes(name)) ? count - 1 : count;
  };
  // One read answers the ordinary case: nobody names these hosts. Only a host that another account has just given up
  // can be named by domains that never claimed it, and then its claim counts them all.
  if ((await othersOn(unclaimed)) === 0) return { hosts, othersNaming };
  for (const host of unclaimed) othersNaming.set(host, await othersOn([host]));
  return { hosts, othersNaming };
}
