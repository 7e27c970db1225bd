import { ACCOUNTS } from "../access/access-record.ts";
import type { AccessStore } from "../access/access-store.ts";
import { QUOTA_OF } from "../store/quota.ts";
import type { RecordKind } from "../store/store.ts";

/**
 * The quota of an account for new records of a kind; null = none.
 *
 * @throws Unreadable when the account's record cannot be read: its quota is not known
 */
export async function quotaOf(
  access: Pick<AccessStore, "get">,
  account: string,
  kind: RecordKind,
): Promise<number | null> {
  return (await access.get(ACCOUNTS, account))?.quotas[QUOTA_OF[kind]] ?? null;
}
