/** An immutable map that shares its unchanged parts with the map that it was made from. */

/** A shard grows to this before the map gets more of them: it is what a change copies. */
const SHARD_SIZE = 256;
const MOST_SHARDS = 1024;

type Shards<K, V> = readonly ReadonlyMap<K, V>[];

/**
 * An immutable map with cheap changes: a snapshot of a million domains differs from the one before by a few
 * entries, and both live while sessions hold them. Copying a Map of a million costs about 100 ms; here a
 * change copies one shard of it. A map has as many shards as its size asks for: a thousand hosts with a
 * thousand domains each are maps too.
 */
export class PersistentMap<K extends string, V> {
  readonly size: number;
  /** Their number is a power of two. */
  readonly #shards: Shards<K, V>;

  private constructor(size: number, shards: Shards<K, V>) {
    this.size = size;
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

  /** Takes the shards as they are: they must not be changed any more. */
  static holding<K extends string, V>(size: number, shards: Shards<K, V>): PersistentMap<K, V> {
    return new PersistentMap(size, shards);
  }

  get(key: K): V | undefined {
    return this.#shards[shardOf(key, this.#shards.length)]?.get(key);
  }

  *entries(): Generator<readonly [K, V]> {
    for (const shard of this.#shards) yield* shard;
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
    const index = shardOf(key, this.#shards.length);
    const before = this.#shards[index] ?? new Map<K, V>();
    const after = changed(before, key, value);
    const size = this.size + after.size - before.size;
    const shards = this.#shards.with(index, after);
    return new PersistentMap(size, isCrowded(size, shards.length) ? split(shards) : shards);
  }
}

/** A map while it is filled; no Map of everything is ever made. */
export class PersistentMapBuilder<K extends string, V> {
  #shards: Map<K, V>[] = [new Map()];
  #size = 0;

  get(key: K): V | undefined {
    return this.#shards[shardOf(key, this.#shards.length)]?.get(key);
  }

  set(key: K, value: V): void {
    const shard = this.#shards[shardOf(key, this.#shards.length)];
    if (shard === undefined) return;
    this.#size -= shard.size;
    shard.set(key, value);
    this.#size += shard.size;
    if (isCrowded(this.#size, this.#shards.length)) this.#shards = split(this.#shards);
  }

  /** The map; the builder is empty afterwards. */
  build(): PersistentMap<K, V> {
    const built = PersistentMap.holding(this.#size, this.#shards);
    this.#shards = [new Map()];
    this.#size = 0;
    return built;
  }
}

const isCrowded = (size: number, shards: number): boolean =>
  shards < MOST_SHARDS && size > shards * SHARD_SIZE;

/** The same entries in twice as many shards. */
function split<K extends string, V>(shards: Shards<K, V>): Map<K, V>[] {
  const count = shards.length * 2;
  const twice = Array.from({ length: count }, () => new Map<K, V>());
  for (const shard of shards) for (const [key, value] of shard) twice[shardOf(key, count)]?.set(key, value);
  return twice;
}

function changed<K, V>(map: ReadonlyMap<K, V>, key: K, value: V | undefined): ReadonlyMap<K, V> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

/** FNV-1a over UTF-16 units, folded to the number of shards. */
function shardOf(key: string, shards: number): number {
  if (shards === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (shards - 1);
}
