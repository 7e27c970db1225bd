/** Trust stores as callers see them: contents kept of earlier revisions, and the domains that use one. */

import { USED_BY_SHOWN, type UsedBy } from "./certificate-view.ts";
import type { Store } from "../store/store.ts";
import { type KeyVault, trustName } from "../store/key-vault.ts";
import { decodeTrustStoreContent, type TrustStoreContent } from "../x509/trust-anchors.ts";
import type { Timestamp } from "../clock.ts";
import { Gone, NotFound, Unreadable } from "../errors.ts";
import { PREVIOUS_CONTENTS, type PreviousContent, type TrustStoreRecord } from "../record/trust-store.ts";

/** `previous` of a record after a write: one more when the content changes, and never more than are kept. */
export function previousOf(
  { contentSha256, previous, revision }: TrustStoreRecord,
  written: { readonly contentSha256: string; readonly at: Timestamp },
): readonly PreviousContent[] {
  if (written.contentSha256 === contentSha256) return previous;
  return [{ revision, contentSha256, replacedAt: written.at }, ...previous].slice(0, PREVIOUS_CONTENTS);
}

/**
 * The content of a trust store at one of its revisions.
 * @throws Gone when it is not kept; NotFound when the revision has not been reached
 */
export function keptContent(
  record: TrustStoreRecord,
  revision: number,
): Pick<TrustStoreRecord, "contentSha256"> {
  if (revision === record.revision) return record;
  const kept = record.previous.find((each) => each.revision === revision);
  if (kept !== undefined) return kept;
  if (revision < record.revision) throw notKept(record, revision);
  const message = `revision ${revision} of ${record.id} not found: ${whatIsKept(record)}`;
  throw new NotFound(message, { issues: [{ pointer: "/revision", code: "unknown-revision", message }] });
}

export function notKept(record: TrustStoreRecord, revision: number): Gone {
  const message = `the content of ${record.id} at revision ${revision} is not kept: ${whatIsKept(record)}`;
  return new Gone(message, { pointer: "/revision", code: "gone", message });
}

function whatIsKept({ revision, previous }: TrustStoreRecord): string {
  const earlier = previous.map((each) => each.revision).join(", ");
  return `it is at revision ${revision}, and can be restored to ${earlier === "" ? "none before" : earlier}`;
}

/** A trust store as lists show it: who is in it, not the PEM. */
export interface TrustStoreSummary extends TrustStoreRecord {
  readonly usedBy: UsedBy;
}

export interface TrustStoreView extends TrustStoreSummary, TrustStoreContent {}

/** Only domains of the same account can name a trust store, and it counts them itself. */
export async function trustStoreUsedBy(
  store: Pick<Store, "useCount" | "firstDomainsOfTrustStore">,
  { id }: Pick<TrustStoreRecord, "id">,
): Promise<UsedBy> {
  const count = await store.useCount("trust-store", id);
  return { count, domains: count === 0 ? [] : await store.firstDomainsOfTrustStore(id, USED_BY_SHOWN) };
}

/** @throws Unreadable, with a NotFound as its cause where the vault does not have it */
export async function trustStoreContent(
  vault: Pick<KeyVault, "get">,
  { id, contentSha256 }: Pick<TrustStoreRecord, "id" | "contentSha256">,
): Promise<TrustStoreContent> {
  try {
    return decodeTrustStoreContent(await vault.get(trustName(contentSha256), contentSha256));
  } catch (error) {
    // The record is there: its content missing is our trouble, not an unknown trust store.
    if (error instanceof NotFound) throw new Unreadable(`content of ${id} is missing`, { cause: error });
    throw error;
  }
}
