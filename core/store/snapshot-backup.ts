/** The backup of all settings: its port, and its form as lines of JSON. */

import * as z from "zod";
import type { Timestamp } from "../clock.ts";
import { Unreadable } from "../errors.ts";
import { schemaOf } from "../same-fields.ts";
import { parseStoredJson } from "../stored-json.ts";
import { ITEM_KINDS, type StoreContents, type UnreadableItem } from "./store.ts";
import { readCertificate, readDomain, readMxHost, readOrReport, readTrustStore } from "./stored-record.ts";

/**
 * All settings as they were at a moment. No keys: those lie in the vault, and so does the content of trust
 * stores.
 */
export interface SnapshotBackup {
  readonly contents: StoreContents;
  /**
   * When it was written: the contents have been those of the store since then, as far as the schedule still
   * runs.
   */
  readonly at: Timestamp;
}

/**
 * Where the last snapshot is kept for edges that start while the store cannot be read (semantics.md section
 * 5). Every implementation passes test/contract/snapshot-backups.contract.ts.
 */
export interface SnapshotBackups {
  /** Puts a backup in the place of the one before, whole or not at all. @throws Unavailable */
  write(backup: SnapshotBackup): Promise<void>;
  /**
   * @returns null when none was ever written.
   * @throws Unavailable when it cannot be reached.
   * @throws Unreadable when it was cut off, or is of a format that this release does not know.
   */
  read(): Promise<SnapshotBackup | null>;
}

/** Counted up when a release could no longer read what the one before wrote, which is not to be. */
const FORMAT = 1;

const headSchema = z.object({ format: z.literal(FORMAT), at: z.iso.datetime(), revision: z.int().min(0) });
const itemSchema = z.object({
  kind: z.enum(["domain", "mx-host", "certificate", "trust-store"]),
  key: z.string(),
  item: z.unknown(),
});
const unreadableSchema = z.object({
  unreadable: schemaOf<UnreadableItem>()(
    z.object({ kind: z.enum(ITEM_KINDS), id: z.string(), problem: z.string() }),
  ),
});
const endSchema = z.object({ end: z.int().min(0) });

/**
 * A backup as lines of JSON: a head, an item a line, and an end that counts them. Not one document: a million
 * domains are more than the longest text that V8 can hold.
 */
export function* backupLines({ contents, at }: SnapshotBackup): Generator<string, void> {
  const { revision, domains, mxHosts, certificates, trustStores, unreadable } = contents;
  yield JSON.stringify({ format: FORMAT, at, revision });
  for (const item of domains) yield JSON.stringify({ kind: "domain", key: item.name, item });
  for (const item of mxHosts) yield JSON.stringify({ kind: "mx-host", key: item.host, item });
  for (const item of certificates) yield JSON.stringify({ kind: "certificate", key: item.id, item });
  for (const item of trustStores) yield JSON.stringify({ kind: "trust-store", key: item.id, item });
  for (const item of unreadable) yield JSON.stringify({ unreadable: item });
  const count =
    domains.length + mxHosts.length + certificates.length + trustStores.length + unreadable.length;
  yield JSON.stringify({ end: count });
}

/**
 * Reads lines back, whatever release wrote them; an item that this one cannot read stands in `unreadable`.
 * @throws Unreadable
 */
export async function readBackupLines(lines: AsyncIterable<string>): Promise<SnapshotBackup> {
  const reader = new BackupReader();
  for await (const line of lines) reader.take(line);
  return reader.whole();
}

/** The first line alone. @throws Unreadable */
export function readBackupHead(line: string): Pick<StoreContents, "revision"> & Pick<SnapshotBackup, "at"> {
  const head = headSchema.safeParse(parseStoredJson(line));
  if (!head.success)
    throw new Unreadable("the snapshot's backup is of a format that this release does not know");
  return head.data;
}

/** Arrays of contents while they grow. */
type Growing = {
  -readonly [Field in Exclude<keyof StoreContents, "revision">]: StoreContents[Field][number][];
};

class BackupReader {
  #head: ReturnType<typeof readBackupHead> | null = null;
  #count = 0;
  #end: number | null = null;
  readonly #contents: Growing = {
    domains: [],
    mxHosts: [],
    certificates: [],
    trustStores: [],
    unreadable: [],
  };

  take(line: string): void {
    if (this.#head === null) {
      this.#head = readBackupHead(line);
      return;
    }
    const value = parseStoredJson(line);
    const end = endSchema.safeParse(value);
    if (end.success) this.#end = end.data.end;
    else this.#item(value);
  }

  whole(): SnapshotBackup {
    if (this.#head === null || this.#end !== this.#count)
      throw new Unreadable("the snapshot's backup is incomplete");
    const { at, revision } = this.#head;
    return { at, contents: { revision, ...this.#contents } };
  }

  #item(value: unknown): void {
    this.#count += 1;
    const unreadable = unreadableSchema.safeParse(value);
    if (unreadable.success) {
      this.#contents.unreadable.push(unreadable.data.unreadable);
      return;
    }
    const line = itemSchema.safeParse(value);
    // A kind of item that a later release has: nothing that this one decides by.
    if (!line.success) return;
    const { kind, key, item } = line.data;
    switch (kind) {
      case "domain":
        return this.#add(this.#contents.domains, { kind, key }, () => readDomain(key, item));
      case "mx-host":
        return this.#add(this.#contents.mxHosts, { kind, key }, () => readMxHost(key, item));
      case "certificate":
        return this.#add(this.#contents.certificates, { kind, key }, () => readCertificate(key, item));
      case "trust-store":
        return this.#add(this.#contents.trustStores, { kind, key }, () => readTrustStore(key, item));
      default:
        return kind satisfies never;
    }
  }

  #add<T>(
    list: T[],
    { kind, key }: { readonly kind: UnreadableItem["kind"]; readonly key: string },
    read: () => T,
  ): void {
    const result = readOrReport(kind, key, read);
    if ("value" in result) list.push(result.value);
    else this.#contents.unreadable.push(result.unreadable);
  }
}
