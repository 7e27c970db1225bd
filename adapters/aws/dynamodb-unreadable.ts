/** Items that cannot be read, as records that a later write can replace. */

import { isTrustStoreId } from "../../core/name/ids.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import type { RawRecord, RecordKind, UnreadableRecord } from "../../core/store/store.ts";
import {
  namesOfDomain,
  pendingNamesOfDomain,
  readCertificate,
  readDomain,
  readOrReport,
  readTrustStore,
} from "../../core/store/stored-record.ts";
import { mapAtMost } from "./at-most.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import {
  domainOfTrustStoreKey,
  domainOnHostKey,
  type ItemKey,
  listKeyOf,
  nameAtEndOf,
  RECORD_PARTITIONS,
  recordKey,
  recordsOfKindRange,
  storedItemOf,
} from "./table-keys.ts";

const PARTITIONS_AT_ONCE = 8;

const READ: Readonly<Record<RecordKind, (key: string, stored: unknown) => object>> = {
  domain: readDomain,
  certificate: readCertificate,
  "trust-store": readTrustStore,
};

interface OfAccount {
  readonly kind: RecordKind;
  readonly id: string;
  readonly account: string;
}

const isOf = (item: Item, { id, account }: OfAccount): boolean =>
  textOf(item, TABLE_DEFINITION.index.sortKey) === listKeyOf(account, id);

/** `Store.getRaw`. */
export async function rawRecord(table: DynamoDbTable, record: OfAccount): Promise<RawRecord | null> {
  const item = await table.get(recordKey(record.kind, record.id));
  if (item === undefined || !isOf(item, record)) return null;
  const { json } = item;
  const stored = json === undefined ? "" : JSON.stringify(json);
  return { revision: numberOf(item, "revision") ?? 0, text: textOf(item, "json") ?? stored };
}

/** `Store.getUnreadable`. Account and revision are attributes beside the JSON. */
export async function unreadableRecord(
  table: DynamoDbTable,
  { kind, id, account }: OfAccount,
): Promise<UnreadableRecord | null> {
  const item = await table.get(recordKey(kind, id));
  if (item === undefined) return null;
  const json = textOf(item, "json");
  const read = readOrReport<object>(kind, id, () => READ[kind](id, json));
  if ("value" in read) return null;
  const isOwn = isOf(item, { kind, id, account });
  const revision = numberOf(item, "revision") ?? 0;
  const about = { revision, isOwn, problem: read.unreadable.problem };
  const name = kind === "domain" && isOwn ? nameAtEndOf(id) : null;
  if (name === null) return { ...about, mxHosts: [], trustStoreIds: [] };
  const named = namesOfDomain(json) ?? (await namesByReferences(table, name, account));
  return { ...about, ...named, pendingNames: pendingNamesOfDomain(json) };
}

/**
 * What a domain names of which the record says nothing: by the references of every host and trust store.
 * Reads all host items, once in the life of a record that is damaged beyond that. Loose references are left
 * out: a use that is counted twice keeps a certificate from being deleted, one that is missing would let it
 * go while it is served.
 */
async function namesByReferences(
  table: DynamoDbTable,
  domain: DomainName,
  account: string,
): Promise<Pick<UnreadableRecord, "mxHosts" | "trustStoreIds">> {
  const hosts = (await idsOf(table, "mx-host")).flatMap((host) => nameAtEndOf(host) ?? []);
  const trustStoreIds = (await idsOf(table, "trust-store")).filter(isTrustStoreId);
  const sure = async <T>(ids: readonly T[], keyOf: (id: T) => ItemKey): Promise<T[]> => {
    const items = await table.getAll(ids.map(keyOf));
    const found = new Set(items.filter((item) => !("loose" in item)).map(keyTextOf));
    return ids.filter((id) => found.has(textOfKey(keyOf(id))));
  };
  return {
    mxHosts: await sure(hosts, (host) => domainOnHostKey(host, account, domain)),
    trustStoreIds: await sure(trustStoreIds, (id) => domainOfTrustStoreKey(id, domain)),
  };
}

async function idsOf(table: DynamoDbTable, kind: "mx-host" | "trust-store"): Promise<string[]> {
  const ids: string[] = [];
  await mapAtMost(PARTITIONS_AT_ONCE, RECORD_PARTITIONS, async (pk) => {
    for await (const items of table.pages(recordsOfKindRange(pk, kind)))
      ids.push(...items.flatMap((item) => storedItemOf(sortKeyOf(item))?.id ?? []));
  });
  return ids;
}

const textOfKey = ({ pk, sk }: ItemKey): string => `${pk} ${sk}`;
const keyTextOf = (item: Item): string =>
  textOfKey({ pk: textOf(item, TABLE_DEFINITION.partitionKey) ?? "", sk: sortKeyOf(item) });
