import { Unreadable } from "../errors.ts";
import type { DomainRecord } from "../record/domain.ts";
import type { NamedHosts } from "./host-reads.ts";
import type { PlannedDomain } from "./plan-write.ts";
import type { RecordKind, Store, UnreadableRecord } from "../store/store.ts";

/** A stored record, or what is known of one that cannot be read. */
export type Stored<T> = { readonly record: T } | { readonly unreadable: UnreadableRecord };

interface About {
  readonly kind: RecordKind;
  readonly id: string;
  /** The caller's. */
  readonly account: string;
}

/** @throws Unavailable; Unreadable when it could be read a moment later. */
export async function readStored<T extends object>(
  store: Pick<Store, "getUnreadable">,
  { kind, id, account }: About,
  read: () => Promise<T | null>,
): Promise<Stored<T> | null> {
  try {
    const record = await read();
    return record && { record };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const unreadable = await store.getUnreadable(kind, id, account);
    if (unreadable === null) throw error;
    return { unreadable };
  }
}

export const cannotBeRead = ({ problem, revision }: UnreadableRecord): Unreadable =>
  new Unreadable(
    `the stored record at revision ${revision} cannot be read (${problem}); it can be replaced as a whole or deleted, with If-Match`,
  );

/** A domain that cannot be read as a write plans with it: what it names is given up. */
export async function plannedOf(
  store: Pick<Store, "getMxHosts">,
  account: DomainRecord["account"],
  { mxHosts, trustStoreIds }: UnreadableRecord,
): Promise<NamedHosts & { readonly domain: PlannedDomain }> {
  const domain = { account, mxHosts, tls: { clientCertificate: { trust: { trustStoreIds } } } };
  return { domain, hosts: await store.getMxHosts(mxHosts) };
}
