/** Equal settings held once (hash consing). */
import type { Every } from "../same-fields.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { DomainRecord, TlsSettings } from "../record/domain.ts";

/** Makes what is equal in many records one object. */
export interface Interner {
  /**
   * Equal settings become one frozen object: a million domains share a handful, which is most of their
   * memory.
   */
  tls(settings: TlsSettings): TlsSettings;
  /** The same record in the least memory: shared settings, shared texts, no room for more fields. */
  domain(record: DomainRecord): DomainRecord;
}

/** Where every domain has different settings, a table of all their texts would be larger than they are. */
const SHARED_SETTINGS = 10_000;

/**
 * Of texts and host lists only what was seen lately is known: a table of all would cost more than it saves.
 */
const SLOTS = 4096;

export function createInterner(): Interner {
  const known = new Map<string, TlsSettings>();
  const interned = new WeakSet<TlsSettings>();
  const texts: string[] = Array.from({ length: SLOTS }, () => "");
  const hostLists: (readonly DomainName[])[] = Array.from({ length: SLOTS }, () => []);

  function tls(settings: TlsSettings): TlsSettings {
    if (interned.has(settings)) return settings;
    const key = JSON.stringify(settings);
    const first = known.get(key);
    if (first !== undefined) return first;
    deepFreeze(settings);
    interned.add(settings);
    if (known.size < SHARED_SETTINGS) known.set(key, settings);
    return settings;
  }

  function text(value: string): string {
    const slot = slotOf(hashOf(value, START));
    const held = texts[slot];
    if (held === value) return held;
    texts[slot] = value;
    return value;
  }

  function hosts(list: readonly DomainName[]): readonly DomainName[] {
    const slot = slotOf(list.reduce((hash, host) => hashOf(host, hash), START));
    const held = hostLists[slot];
    if (held !== undefined && isSameList(held, list)) return held;
    hostLists[slot] = list;
    return list;
  }

  return {
    tls,
    domain: (record) =>
      ({
        name: record.name,
        account: text(record.account),
        mxHosts: hosts(record.mxHosts),
        tls: tls(record.tls),
        delivery: record.delivery,
        acknowledgedWarnings: record.acknowledgedWarnings,
        labels: record.labels,
        pendingNames: record.pendingNames,
        revision: record.revision,
        createdAt: text(record.createdAt),
        updatedAt: text(record.updatedAt),
        updatedBy: text(record.updatedBy),
      }) satisfies Every<DomainRecord>,
  };
}

const isSameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

const START = 0x811c9dc5;

/** FNV-1a over UTF-16 units. */
function hashOf(value: string, start: number): number {
  let hash = start;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  return hash;
}

const slotOf = (hash: number): number => (hash ^ (hash >>> 16)) & (SLOTS - 1);

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
