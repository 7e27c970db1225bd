import type { Store } from "../store/store.ts";
import { USED_BY_SHOWN, type UsedBy } from "./certificate-view.ts";
import type { TrustStoreContent, TrustStoreRecord } from "../record/trust-store.ts";

/** A trust store as lists show it: who is in it, not the PEM. */
export interface TrustStoreSummary extends TrustStoreRecord {
  readonly usedBy: UsedBy;
}

export interface TrustStoreView extends TrustStoreSummary, TrustStoreContent {}

/** Only domains of its own account can name a trust store, and it counts them itself. */
export async function trustStoreUsedBy(
  store: Pick<Store, "useCount" | "firstDomainsOfTrustStore">,
  { id }: Pick<TrustStoreRecord, "id">,
): Promise<UsedBy> {
  const count = await store.useCount("trust-store", id);
  return { count, domains: count === 0 ? [] : await store.firstDomainsOfTrustStore(id, USED_BY_SHOWN) };
}
