/** MX hosts as rows of the database. */

import { type CertificateId, isCertificateId } from "../../core/name/ids.ts";
import { type DomainName, toDomainName } from "../../core/name/domain-name.ts";
import { damagedHost, type HostEvidence } from "../../core/store/damaged-host.ts";
import type { MxHost } from "../../core/record/mx-host.ts";
import type { NamesByHost } from "../../core/store/store.ts";
import { type Database, integer, type Row, text } from "./database.ts";
import { useCountOf } from "./sqlite-commit.ts";
import { hostOfRow } from "./sqlite-load.ts";

/**
 * The hosts by name; of one that cannot be read, what is known. A name that is none leaves nothing to
 * replace.
 */
export async function hostsOfRows(
  database: Database,
  rows: readonly Row[],
): Promise<ReadonlyMap<DomainName, MxHost>> {
  const hosts = new Map<DomainName, MxHost>();
  for (const row of rows) {
    const read = hostOfRow(row);
    const host = toDomainName(text(row, "host"));
    if ("value" in read) hosts.set(read.value.host, read.value);
    else if (host !== null)
      hosts.set(host, await damagedHost(host, attributesOf(row), evidenceOf(database, host)));
  }
  return hosts;
}

/**
 * Hosts that serve a certificate, by name. A host whose certificate cannot be read is looked for only where
 * the others are fewer than the uses counted.
 *
 * @param limit below 0 = all.
 */
export async function hostsServing(
  database: Database,
  id: CertificateId,
  limit: number,
): Promise<readonly MxHost[]> {
  const rows = database.all(
    "SELECT * FROM mx_host WHERE certificate_id = ? ORDER BY host LIMIT ?",
    id,
    limit,
  );
  const isComplete = rows.length === limit || rows.length >= useCountOf(database, "certificate", id);
  const unknown = isComplete
    ? []
    : database.all(
        `SELECT * FROM mx_host WHERE certificate_id IS NOT NULL
           AND certificate_id NOT IN (SELECT id FROM certificate)`,
      );
  const found = [...(await hostsOfRows(database, [...rows, ...unknown])).values()]
    .filter(({ certificateId }) => certificateId === id)
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
  return limit < 0 ? found : found.slice(0, limit);
}

/** `Store.domainsByHost`: one statement. */
export function domainsByHost(
  database: Database,
  account: string,
  hosts: readonly DomainName[],
): NamesByHost {
  const rows = database.all(
    `SELECT host, domain FROM domain_host WHERE account = ? AND host IN (SELECT value FROM json_each(?))`,
    account,
    JSON.stringify(hosts),
  );
  const found = new Map<DomainName, DomainName[]>();
  for (const row of rows) {
    const [host, domain] = [toDomainName(text(row, "host")), toDomainName(text(row, "domain"))];
    if (host !== null && domain !== null) found.set(host, [...(found.get(host) ?? []), domain]);
  }
  return found;
}

const attributesOf = (row: Row) => ({
  account: row["account"],
  certificateId: row["certificate_id"],
  domainCount: row["domain_count"],
  certificateRevision: row["certificate_revision"],
});

const evidenceOf = (database: Database, host: DomainName): HostEvidence => ({
  soleAccount: async () => {
    const rows = database.all("SELECT DISTINCT account FROM domain_host WHERE host = ? LIMIT 2", host);
    const [only] = rows;
    return only === undefined || rows.length > 1 ? null : text(only, "account");
  },
  // Uses that no host accounts for are those of hosts that cannot be read; of several, the one that a domain
  // here names.
  servedCertificate: async (account) => {
    const row = database.get(
      `SELECT id FROM certificate WHERE account = ? AND used_count >
         (SELECT count(*) FROM mx_host WHERE certificate_id = certificate.id)
       ORDER BY EXISTS (
         SELECT 1 FROM domain_host JOIN domain ON domain.id = domain_host.domain
         WHERE host = ? AND instr(domain.record, certificate.id) > 0) DESC, id LIMIT 1`,
      account,
      host,
    );
    const id = row === undefined ? null : text(row, "id");
    return id !== null && isCertificateId(id) ? id : null;
  },
  domainCount: async (account) => {
    const row = database.get(
      "SELECT count(*) AS domains FROM domain_host WHERE host = ? AND account = ?",
      host,
      account,
    );
    return row === undefined ? 0 : integer(row, "domains");
  },
});

/** `Store.firstDomainsOnHosts`. */
export function firstDomainsOnHosts(
  database: Database,
  {
    account,
    hosts,
    limit,
  }: { readonly account: string; readonly hosts: readonly DomainName[]; readonly limit: number },
): { readonly names: readonly DomainName[]; readonly isAll: boolean } {
  // Host by host, each in order of its index: over several at once SQLite would read and sort all of them.
  const sql = "SELECT domain FROM domain_host WHERE host = ? AND account = ? ORDER BY domain LIMIT ?";
  const found = new Set(
    hosts.flatMap((host) => database.all(sql, host, account, limit + 1).flatMap(domainOf)),
  );
  const names = [...found].toSorted((a, b) => (a < b ? -1 : 1));
  return { names: names.slice(0, limit), isAll: names.length <= limit };
}

/** The name in the column `domain`; empty where it is none. */
export const domainOf = (row: Row): DomainName[] => {
  const name = toDomainName(text(row, "domain"));
  return name === null ? [] : [name];
};
