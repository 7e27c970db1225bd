/** Up to this size a change copies the whole map; beyond it only one of the shards. */
const SMALL = 256;
const SHARDS = 1024;

/**
 * An immutable map with cheap changes: a snapshot of a million domains differs from the one before by a few entries, and
 * both live while sessions hold them. Copying a Map of a million costs about 100 ms; here a change copies 1/1024 of it.
 */
export class PersistentMap<K extends string, V> {
  readonly size: number;
  readonly #small: ReadonlyMap<K, V> | null;
  readonly #shards: readonly ReadonlyMap<K, V>[] | null;

  private constructor(
    size: number,
    small: ReadonlyMap<K, V> | null,
    shards: readonly ReadonlyMap<K, V>[] | null,
  ) {
    this.size = size;
    this.#small = small;
    this.#shards = shards;
  }

  static from<K extends string, V>(entries: Iterable<readonly [K, V]>): PersistentMap<K, V> {
    const filling = new PersistentMapBuilder<K, V>();
    for (const [key, value] of entries) filling.set(key, value);
    return filling.build();
  }

  /** Without a pair for each value: at a million of them, the pairs alone would be 60 MB for a moment. */
  static fromValues<K extends string, V>(values: Iterable<V>, keyOf: (value: V) => K): PersistentMap<K, V> {
    const filling = new PersistentMapBuilder<K, V>();
    for (const value of values) filling.set(keyOf(value), value);
    return filling.build();
  }

  /** Takes the maps as they are: nobody may change them any more. */
  static holding<K extends string, V>(
    small: ReadonlyMap<K, V>,
    shards: readonly ReadonlyMap<K, V>[] | null,
  ): PersistentMap<K, V> {
    if (shards === null) return new PersistentMap(small.size, small, null);
    const size = shards.reduce((sum, shard) => sum + shard.size, 0);
    return new PersistentMap(size, null, shards);
  }

  get(key: K): V | undefined {
    return (this.#small ?? this.#shards?.[shardOf(key)])?.get(key);
  }

  *entries(): Generator<readonly [K, V]> {
    for (const shard of this.#shards ?? [this.#small ?? new Map<K, V>()]) yield* shard;
  }

  *keys(): Generator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  /** A map with this key set, or, with `undefined`, without it. */
  with(key: K, value: V | undefined): PersistentMap<K, V> {
    if (this.get(key) === value) return this;
    if (this.#shards === null) {
      const copy = changed(this.#small ?? new Map<K, V>(), key, value);
      return copy.size <= SMALL ? new PersistentMap(copy.size, copy, null) : PersistentMap.from(copy);
    }
    const index = shardOf(key);
    const before = this.#shards[index] ?? new Map<K, V>();
    const after = changed(before, key, value);
    return new PersistentMap(this.size + after.size - before.size, null, this.#shards.with(index, after));
  }
}

/** A map while it is filled: one Map, and from `SMALL` on shards, so that no Map of everything is ever made. */
export class PersistentMapBuilder<K extends string, V> {
  #small = new Map<K, V>();
  #shards: Map<K, V>[] | null = null;

  get(key: K): V | undefined {
    return (this.#shards?.[shardOf(key)] ?? this.#small).get(key);
  }

  set(key: K, value: V): void {
    if (this.#shards !== null) {
      this.#shards[shardOf(key)]?.set(key, value);
      return;
    }
    this.#small.set(key, value);
    if (this.#small.size <= SMALL) return;
    const shards = Array.from({ length: SHARDS }, () => new Map<K, V>());
    for (const [held, each] of this.#small) shards[shardOf(held)]?.set(held, each);
    this.#shards = shards;
  }

  /** The map; the builder is empty afterwards. */
  build(): PersistentMap<K, V> {
    const built = PersistentMap.holding(this.#small, this.#shards);
    this.#small = new Map();
    this.#shards = null;
    return built;
  }
}

function changed<K, V>(map: ReadonlyMap<K, V>, key: K, value: V | undefined): ReadonlyMap<K, V> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

/** FNV-1a over UTF-16 units, folded to the number of shards. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SHARDS - 1);
}
