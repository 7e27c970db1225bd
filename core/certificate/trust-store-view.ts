import type { Store } from "../settings/store.ts";
import { USED_BY_SHOWN, type UsedBy } from "./certificate-view.ts";
import type { TrustStoreContent, TrustStoreRecord } from "./trust-store.ts";

/** A trust store as lists show it: who is in it, not the PEM. */
export interface TrustStoreSummary extends TrustStoreRecord {
  readonly usedBy: UsedBy;
}

export interface TrustStoreView extends TrustStoreSummary, TrustStoreContent {}

export async function trustStoreUsedBy(
  store: Pick<Store, "domainsOfTrustStore">,
  { id, account }: TrustStoreRecord,
): Promise<UsedBy> {
  const domains = await store.domainsOfTrustStore(id);
  const names = domains.filter((domain) => domain.account === account).map(({ name }) => name);
  return { count: names.length, domains: names.toSorted().slice(0, USED_BY_SHOWN) };
}
