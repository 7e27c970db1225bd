/** Domains that name a host: reads of the references. */

import type { DomainName } from "../../core/name/domain-name.ts";
import type { NamesByHost, UseChange } from "../../core/store/store.ts";
import { readDomain, readOrReport } from "../../core/store/stored-record.ts";
import { mapAtMost } from "./at-most.ts";
import { type DynamoDbTable, type Item, sortKeyOf, textOf } from "./dynamodb-table.ts";
import {
  domainsOnHostRange,
  type KeyRange,
  nameAtEndOf,
  type NameFilter,
  recordKey,
  storedItemOf,
  usesRange,
} from "./table-keys.ts";

const HOSTS_AT_ONCE = 16;

/** Domains of an account that name one of the hosts. */
export interface NamingHosts extends NameFilter {
  readonly account: string;
  readonly hosts: readonly DomainName[];
  /** The first so many; undefined = all. */
  readonly atMost?: number;
}

/**
 * Whether the reference to a name was written with the record, or has to be confirmed by it (references.ts).
 */
type Reference = "sure" | "loose";

/** Their names, each once and in order, and names that only loose references give. Strongly consistent. */
export async function namedOn(
  table: DynamoDbTable,
  naming: NamingHosts,
): Promise<ReadonlyMap<DomainName, Reference>> {
  const found = new Map<DomainName, Reference>();
  await mapAtMost(HOSTS_AT_ONCE, [...new Set(naming.hosts)], async (host) => {
    const range = domainsOnHostRange(host, naming.account, naming);
    if (range === null) return;
    for (const item of await referencesIn(table, range, naming.atMost)) {
      const name = nameAtEndOf(sortKeyOf(item));
      if (name !== null && found.get(name) !== "sure") found.set(name, "loose" in item ? "loose" : "sure");
    }
  });
  const inOrder = [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(inOrder.slice(0, naming.atMost));
}

/** Their names, each once and in order, and whether those are all; loose references are confirmed. */
export async function domainsNaming(
  table: DynamoDbTable,
  naming: Pick<NamingHosts, "account" | "hosts" | "atMost">,
): Promise<{ readonly names: readonly DomainName[]; readonly isAll: boolean }> {
  const found = await namedOn(table, naming);
  const isAll = found.size < (naming.atMost ?? Number.POSITIVE_INFINITY);
  const loose = [...found].flatMap(([name, reference]) => (reference === "loose" ? [name] : []));
  if (loose.length === 0) return { names: [...found.keys()], isAll };
  const real = new Set(await confirmed(table, naming, loose));
  const names = [...found].flatMap(([name, reference]) =>
    reference === "sure" || real.has(name) ? [name] : [],
  );
  return { names, isAll };
}

/**
 * `Store.domainsByHost`. DynamoDB reads ranges one by one: a Query for each host, several at once.
 */
export async function domainsByHost(
  table: DynamoDbTable,
  account: string,
  hosts: readonly DomainName[],
): Promise<NamesByHost> {
  const distinct = [...new Set(hosts)];
  const named = await mapAtMost(HOSTS_AT_ONCE, distinct, (host) =>
    namedOn(table, { account, hosts: [host] }),
  );
  const found = new Map<DomainName, readonly DomainName[]>();
  for (const [index, host] of distinct.entries()) {
    const references = [...(named[index] ?? [])];
    const loose = references.flatMap(([name, reference]) => (reference === "loose" ? [name] : []));
    const real = new Set(loose.length === 0 ? [] : await confirmed(table, { account, hosts: [host] }, loose));
    const names = references.flatMap(([name, reference]) =>
      reference === "sure" || real.has(name) ? [name] : [],
    );
    if (names.length > 0) found.set(host, names);
  }
  return found;
}

/** By the references to a record, the first `limit` or all; an unconfirmed one may be wrong. */
export async function namesUsing(
  table: DynamoDbTable,
  { kind, id }: Pick<UseChange, "kind" | "id">,
  limit?: number,
): Promise<readonly DomainName[]> {
  const items = await referencesIn(table, usesRange(kind, id), limit);
  return items.flatMap((item) => nameAtEndOf(sortKeyOf(item)) ?? []);
}

async function referencesIn(
  table: DynamoDbTable,
  range: KeyRange,
  atMost: number | undefined,
): Promise<readonly Item[]> {
  if (atMost !== undefined) return table.first(range, atMost);
  const found: Item[] = [];
  for await (const items of table.pages(range)) found.push(...items);
  return found;
}

/** Of those that a loose reference names, the ones whose record does. One that cannot be read may. */
async function confirmed(
  table: DynamoDbTable,
  { account, hosts }: Pick<NamingHosts, "account" | "hosts">,
  names: readonly DomainName[],
): Promise<readonly DomainName[]> {
  const wanted = new Set(hosts);
  const items = await table.getAll(names.map((name) => recordKey("domain", name)));
  return items.flatMap((item) => {
    const name = storedItemOf(sortKeyOf(item))?.id ?? "";
    const read = readOrReport("domain", name, () => readDomain(name, textOf(item, "json")));
    const isNaming =
      "unreadable" in read ||
      (read.value.account === account && read.value.mxHosts.some((host) => wanted.has(host)));
    return isNaming ? (nameAtEndOf(name) ?? []) : [];
  });
}
