/** MX hosts as items of the table. */

import type { CertificateId } from "../../core/name/ids.ts";
import { isCertificateId } from "../../core/name/ids.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import { damagedHost, type HostEvidence } from "../../core/store/damaged-host.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import { readDomain, readOrReport } from "../../core/store/stored-record.ts";
import { mxHostOf } from "./dynamodb-load.ts";
import { domainsNaming } from "./dynamodb-names.ts";
import { type DynamoDbTable, type Item, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import {
  domainsOfAllOnHost,
  hostOfCertificateKey,
  listRange,
  nameAtEndOf,
  recordKey,
  storedItemOf,
} from "./table-keys.ts";

const idOf = (item: Item): string => storedItemOf(sortKeyOf(item))?.id ?? "";

const hostOfItem = (item: Item) => readOrReport("mx-host", idOf(item), () => mxHostOf(idOf(item), item));

/**
 * The hosts by name; of one that cannot be read, what is known. A name that is none leaves nothing to
 * replace.
 */
export async function hostsOfItems(
  table: DynamoDbTable,
  items: readonly Item[],
): Promise<ReadonlyMap<DomainName, MxHost>> {
  const hosts = new Map<DomainName, MxHost>();
  for (const item of items) {
    const read = hostOfItem(item);
    const host = toDomainName(idOf(item));
    if ("value" in read) hosts.set(read.value.host, read.value);
    else if (host !== null)
      hosts.set(host, await damagedHost(host, attributesOf(item), evidenceOf(table, host)));
  }
  return hosts;
}

/** Of the named hosts, those that serve the certificate, by name. */
export async function hostsServing(
  table: DynamoDbTable,
  id: CertificateId,
  names: readonly DomainName[],
): Promise<readonly MxHost[]> {
  const items = await table.getAll(names.map((host) => recordKey("mx-host", host)));
  return [...(await hostsOfItems(table, items)).values()]
    .filter(({ certificateId }) => certificateId === id)
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
}

const attributesOf = (item: Item) => ({
  account: textOf(item, "account"),
  certificateId: item["certificateId"] === undefined ? null : (textOf(item, "certificateId") ?? ""),
  domainCount: numberOf(item, "domainCount"),
  certificateRevision: numberOf(item, "certificateRevision"),
});

const evidenceOf = (table: DynamoDbTable, host: DomainName): HostEvidence => ({
  soleAccount: () => soleAccount(table, host),
  servedCertificate: (account) => servedCertificate(table, host, account),
  domainCount: async (account) => (await domainsNaming(table, { account, hosts: [host] })).names.length,
});

/**
 * The keys of references begin with the account, so that the first and the last show whether there is one.
 */
async function soleAccount(table: DynamoDbTable, host: DomainName): Promise<string | null> {
  const [first] = await table.first(domainsOfAllOnHost(host), 1);
  const name = first === undefined ? null : nameAtEndOf(sortKeyOf(first));
  const item = name === null ? undefined : await table.get(recordKey("domain", name));
  if (name === null || item === undefined) return null;
  const read = readOrReport("domain", name, () => readDomain(name, textOf(item, "json")));
  if (!("value" in read)) return null;
  const { account } = read.value;
  const all = await table.first(domainsOfAllOnHost(host, account), 1);
  return all.length === 0 ? account : null;
}

/**
 * By the references of every certificate of the account; loose ones are left out, since no use may be counted
 * for them. Reads the account's list of certificates, as long as the host is damaged.
 */
async function servedCertificate(
  table: DynamoDbTable,
  host: DomainName,
  account: string,
): Promise<CertificateId | null> {
  const range = listRange("certificate", account, {});
  if (range === null) return null;
  for await (const items of table.pages(range, "index")) {
    const ids = items.map(idOf).filter(isCertificateId);
    const references = await table.getAll(ids.map((id) => hostOfCertificateKey(id, host)));
    const sure = new Set(references.filter((item) => !("loose" in item)).map((item) => textOf(item, "pk")));
    const found = ids.find((id) => sure.has(hostOfCertificateKey(id, host).pk));
    if (found !== undefined) return found;
  }
  return null;
}
