/** Deletion of vault objects that no record names. */

import type { StoreContents } from "../store/store.ts";
import {
  type KeyVault,
  materialName,
  privateKeyName,
  trustName,
  VAULT_FOLDERS,
  type VaultName,
} from "../store/key-vault.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { isKept } from "./versions.ts";

/** Which objects a vault holds. */
export interface VaultInventory {
  /**
   * Objects last written before a moment, in any order. One that is younger may belong to a write that has
   * not committed yet. @throws Unavailable
   */
  writtenBefore(epochMs: number): AsyncIterable<VaultName>;
}

/**
 * A write ends within 10 s (core/store/commit-with-retry.ts); a day leaves room for clocks, retries and
 * people.
 */
export const KEPT_MS = 24 * 3600 * 1000;

export interface KeyCleanUpOptions {
  readonly vault: Pick<KeyVault, "delete"> & VaultInventory;
  /**
   * Everything that is stored; asked after the objects were listed, so that what was named meanwhile is
   * known.
   */
  readonly contents: () => Promise<StoreContents>;
  readonly nowMs: number;
}

/**
 * What a clean-up did. `kept`: it stopped because a record could not be read, and that record may name any
 * object, or because the store is empty.
 */
export type KeyCleanUp =
  | { readonly kind: "done"; readonly deleted: readonly VaultName[] }
  | { readonly kind: "kept"; readonly unreadable: number };

/**
 * Deletes objects older than a day that no record names: left over from writes that were given up, versions
 * of certificates that were retired 30 days ago, contents of trust stores that can no longer be restored, and
 * deleted records.
 * @throws Unavailable
 */
export async function cleanUpKeys({ vault, contents, nowMs }: KeyCleanUpOptions): Promise<KeyCleanUp> {
  const old: VaultName[] = [];
  const untilMs = nowMs - KEPT_MS;
  for await (const name of vault.writtenBefore(untilMs)) old.push(name);
  if (old.length === 0) return { kind: "done", deleted: [] };
  const stored = await contents();
  const unreadable = stored.unreadable.filter(({ kind }) => kind !== "domain" && kind !== "mx-host").length;
  // Settings that were never written, beside old objects, were lost: the objects are all that is left.
  if (unreadable > 0 || stored.revision === 0) return { kind: "kept", unreadable };
  const named = namesIn(stored, nowMs);
  const deleted: VaultName[] = [];
  for (const name of old) {
    // Asked by its age again: a write that has put it since, and is not in `stored` yet, is about to name it.
    if (!isAccountKey(name) && !named.has(name) && (await vault.delete(name, untilMs))) deleted.push(name);
  }
  return { kind: "done", deleted };
}

/** Accounts at ACME CAs are no records of the settings: their keys stay. */
const isAccountKey = (name: VaultName): boolean => name.startsWith(VAULT_FOLDERS.acme);

function namesIn({ certificates, trustStores }: StoreContents, nowMs: number): ReadonlySet<VaultName> {
  return new Set([
    ...certificates.flatMap((certificate) => namesOf(certificate, nowMs)),
    ...trustStores.flatMap((store) =>
      [store, ...store.previous].map(({ contentSha256 }) => trustName(contentSha256)),
    ),
  ]);
}

/** A rollback just before the end of the 30 days may commit while a clean-up just after it runs. */
const ROLLBACK_ENDS_MS = 3600 * 1000;

/** Material of the version in service and of those that a rollback may go back to, and pending keys. */
function namesOf(
  { id, material, retired = [], pendingKeys = [] }: CertificateRecord,
  nowMs: number,
): readonly VaultName[] {
  const kept = retired.filter((each) => isKept(each, nowMs - ROLLBACK_ENDS_MS));
  const versions = [...(material === null ? [] : [material]), ...kept];
  return [
    ...versions.map(({ version }) => materialName(id, version)),
    ...pendingKeys.map(({ spkiPin }) => privateKeyName(id, spkiPin)),
  ];
}
