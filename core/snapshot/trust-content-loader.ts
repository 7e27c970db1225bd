import { type TrustStoreContent, decodeTrustStoreContent } from "../x509/trust-anchors.ts";
import { type KeyVault, trustName } from "../store/key-vault.ts";
import type { TrustStoreRecord } from "../record/trust-store.ts";
import type { UnreadableItem } from "../store/store.ts";

type NamedContent = Pick<TrustStoreRecord, "id" | "contentSha256">;

/**
 * Loads the PEM of trust stores by hash, before the snapshot that needs it is published: between ClientHello
 * and verdict nothing is read.
 */
export interface TrustContentLoader {
  /**
   * The contents of these trust stores, as far as they can be had; what was loaded once is not read again,
   * and what is no longer named is forgotten. A content that cannot be loaded is left out, so that its trust
   * is unusable and accepts no certificate, and stands in `unreadable` until a later call succeeds. Never
   * rejects.
   */
  load(stores: Iterable<NamedContent>): Promise<ReadonlyMap<string, TrustStoreContent>>;
  /** What the last call could not load. */
  unreadable(): readonly UnreadableItem[];
}

/** Reads at once; a vault may be a network away, and a deployment may have thousands of trust stores. */
const READS_AT_ONCE = 8;

/** @param onError receives each content when it first cannot be loaded. */
export function createTrustContentLoader(
  vault: Pick<KeyVault, "get">,
  onError: (item: UnreadableItem, error: unknown) => void,
): TrustContentLoader {
  let contents: ReadonlyMap<string, TrustStoreContent> = new Map();
  let unreadable: readonly UnreadableItem[] = [];

  return {
    unreadable: () => unreadable,
    async load(stores) {
      const wanted = new Map<string, NamedContent[]>();
      for (const store of stores) {
        const same = wanted.get(store.contentSha256);
        if (same === undefined) wanted.set(store.contentSha256, [store]);
        else same.push(store);
      }
      const loaded = new Map<string, TrustStoreContent>();
      const failed: UnreadableItem[] = [];
      await forEachAtOnce(wanted, READS_AT_ONCE, async ([sha256, named]) => {
        const content = contents.get(sha256) ?? (await read(vault, sha256));
        if (!(content instanceof Error)) {
          loaded.set(sha256, content);
          return;
        }
        for (const { id } of named) {
          const item: UnreadableItem = { kind: "trust-store", id, problem: problemOf(content) };
          failed.push(item);
          // Tried again at every poll, reported once.
          if (!unreadable.some((known) => known.id === id && known.problem === item.problem))
            onError(item, content);
        }
      });
      // The same contents stay the same object, so that indexes of unchanged contents are not rebuilt.
      if (!sameKeys(contents, loaded)) contents = loaded;
      unreadable = failed;
      return contents;
    },
  };
}

async function read(vault: Pick<KeyVault, "get">, sha256: string): Promise<TrustStoreContent | Error> {
  try {
    return decodeTrustStoreContent(await vault.get(trustName(sha256), sha256));
  } catch (error) {
    return error instanceof Error ? error : new Error("the vault failed", { cause: error });
  }
}

/** For people; the error itself goes to the log, since a vault's message may name paths. */
function problemOf(error: Error): string {
  if (error.name === "NotFound") return "its content is gone from the key vault";
  if (error.name === "Unavailable") return "the key vault did not give its content";
  return "its content cannot be read";
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}

async function forEachAtOnce<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const run = async (): Promise<void> => {
    for (let next = iterator.next(); !next.done; next = iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: limit }, run));
}
