import type { DomainName } from "../domain-name/domain-name.ts";
import type { DomainRecord, TlsSettings } from "./domain.ts";

/** Makes what is equal in many records one object. */
export interface Interner {
  /** Equal settings become one frozen object: a million domains share a handful, which is most of their memory. */
  tls(settings: TlsSettings): TlsSettings;
  /** The same record in the least memory: shared settings, shared texts, no room for more fields. */
  domain(record: DomainRecord): DomainRecord;
}

/** Of texts and host lists only what was seen lately is known: a table of all would cost more than it saves. */
const SLOTS = 4096;

export function createInterner(): Interner {
  const known = new Map<string, TlsSettings>();
  const interned = new WeakSet<TlsSettings>();
  const texts = createRecent<string>();
  const hostLists = createRecent<readonly DomainName[]>();

  function tls(settings: TlsSettings): TlsSettings {
    if (interned.has(settings)) return settings;
    const key = JSON.stringify(settings);
    const first = known.get(key);
    if (first !== undefined) return first;
    known.set(key, deepFreeze(settings));
    interned.add(settings);
    return settings;
  }
  const text = <T extends string>(value: T): T => texts(value, value) as T;

  return {
    tls,
    domain(record) {
      const { delivery, revision } = record;
      const name = text(record.name);
      const hosts = record.mxHosts.map(text);
      return {
        name,
        account: text(record.account),
        mxHosts: hostLists(hosts.join(" "), hosts),
        tls: tls(record.tls),
        delivery,
        revision,
        createdAt: text(record.createdAt),
        updatedAt: text(record.updatedAt),
        updatedBy: text(record.updatedBy),
      };
    },
  };
}

/** A table in which a newer value takes the slot of an older one. Gives the value that is known for a key, or the one given. */
function createRecent<T>(): (key: string, value: T) => T {
  const slots: ({ readonly key: string; readonly value: T } | undefined)[] = Array.from({ length: SLOTS });
  return (key, value) => {
    const index = slotOf(key);
    const held = slots[index];
    if (held?.key === key) return held.value;
    slots[index] = { key, value };
    return value;
  };
}

/** FNV-1a over UTF-16 units. */
function slotOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (SLOTS - 1);
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
