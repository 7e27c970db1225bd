/** References between records: the changes that a write makes to them. */

import type { DomainRecord } from "../../core/record/domain.ts";
import type { Commit, UnreadableRecord } from "../../core/store/store.ts";
import { domainOfTrustStoreKey, domainOnHostKey, hostOfCertificateKey, type ItemKey } from "./table-keys.ts";

/**
 * Which items name which: the reverse of what records hold, for lists and for "used by". A reference is
 * *sure* when the transaction that wrote the record wrote it too. One that found no room there is *loose*:
 * written before the transaction, and never taken for true without a look at the record that it is about
 * (docs/adr/0008).
 */
export interface ReferenceChange {
  readonly key: ItemKey;
  readonly becomes: "present" | "absent";
}

/** What a write does to references; each once, those that decide most often first. */
export function referenceChanges({
  record,
  replaced,
  hosts,
  account,
}: Pick<Commit, "record" | "replaced" | "hosts" | "account">): ReferenceChange[] {
  const before = new Map<string, ItemKey>();
  const after = new Map<string, ItemKey>();
  if (record.kind === "domain") {
    const named =
      record.before === null ? replaced && { name: record.id, account, ...replaced } : namedBy(record.before);
    for (const key of referencesOf(named)) before.set(textOf(key), key);
    for (const key of referencesOf(record.after === null ? undefined : namedBy(record.after)))
      after.set(textOf(key), key);
  }
  for (const { host, before: old, after: wanted } of hosts) {
    addServing(before, host, old?.certificateId);
    addServing(after, host, wanted?.certificateId);
  }
  return [...changes(after, before, "present"), ...changes(before, after, "absent")];
}

type Naming = Pick<DomainRecord, "name" | "account"> & Pick<UnreadableRecord, "mxHosts" | "trustStoreIds">;

const namedBy = ({ name, account, mxHosts, tls }: DomainRecord): Naming => ({
  name,
  account,
  mxHosts,
  trustStoreIds: tls.clientCertificate.trust.trustStoreIds,
});

function referencesOf(naming: Naming | undefined): ItemKey[] {
  if (naming === undefined) return [];
  const { name, account, mxHosts, trustStoreIds } = naming;
  return [
    ...mxHosts.map((host) => domainOnHostKey(host, account, name)),
    ...trustStoreIds.map((id) => domainOfTrustStoreKey(id, name)),
  ];
}

function addServing(
  keys: Map<string, ItemKey>,
  host: Commit["hosts"][number]["host"],
  id: DomainRecord["tls"]["server"]["certificateId"] | undefined,
): void {
  if (id === null || id === undefined) return;
  const key = hostOfCertificateKey(id, host);
  keys.set(textOf(key), key);
}

/** Those of `some` that are not among `others`. */
function changes(
  some: ReadonlyMap<string, ItemKey>,
  others: ReadonlyMap<string, ItemKey>,
  becomes: ReferenceChange["becomes"],
): ReferenceChange[] {
  return [...some].filter(([text]) => !others.has(text)).map(([, key]) => ({ key, becomes }));
}

const textOf = ({ pk, sk }: ItemKey): string => `${pk} ${sk}`;
