import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Database, openDatabase } from "../adapters/local/database.ts";
import { FileKeyVault } from "../adapters/local/file-key-vault.ts";
import type { CertificateRecord } from "../core/record/certificate.ts";
import { materialName, trustName } from "../core/store/key-vault.ts";
import { encodeMaterial, type CertificateMaterial } from "../core/x509/serving-material.ts";
import type { TrustStoreRecord } from "../core/record/trust-store.ts";
import type { DomainRecord } from "../core/record/domain.ts";
import {
  certificateId,
  certificateRecord,
  domainRecord,
  trustStoreId,
  trustStoreRecord,
} from "../test/support/records.ts";

/** Settings of a measurement, as `d<n>.example.net` with an MX host of the same name. */
export interface BenchSettings {
  readonly domains: number;
  /**
   * MX hosts that all domains share, each domain has one of them; absent = each domain has an MX host of the
   * same name.
   */
  readonly sharedHosts?: number;
  /** Number of domains with a separate certificate, from the first; the others present the edge's default. */
  readonly ownCertificates?: { readonly count: number; readonly material: CertificateMaterial };
  /**
   * PEM of the roots of the client certificates that every domain requires; null = no domain requests one.
   */
  readonly clientRootPem?: string | null;
  /** Level of every domain. */
  readonly level: "accept" | "require";
}

/** A domain of a measurement. */
export function benchDomain(n: number, settings: Omit<BenchSettings, "domains">): DomainRecord {
  const name = `d${n}.example.net`;
  const host = settings.sharedHosts === undefined ? name : `mx${n % settings.sharedHosts}.example.net`;
  const hasOwn = n < (settings.ownCertificates?.count ?? 0);
  const asks = (settings.clientRootPem ?? null) !== null;
  return domainRecord({
    name,
    mxHosts: [host],
    server: { level: settings.level, certificateId: hasOwn ? certificateId(n) : null },
    ...(asks
      ? {
          clientCertificate: { mode: "require", names: { match: "any", allowed: [] } },
          trustStoreIds: [trustStoreId(1)],
        }
      : {}),
  });
}

/** Paths of the database and the vault of a measurement. */
export const placesIn = (directory: string): { readonly database: string; readonly vault: string } => ({
  database: join(directory, "postern.sqlite"),
  vault: join(directory, "vault"),
});

/**
 * Writes settings into a new database and vault below `directory`, as one transaction and without the log: a
 * million commits would take minutes, and the measured code reads only the tables.
 */
export async function writeSettings(directory: string, settings: BenchSettings): Promise<void> {
  const places = placesIn(directory);
  rmSync(places.database, { force: true });
  const vault = new FileKeyVault(places.vault);
  const certificates = await storedCertificates(vault, settings);
  const trustStores = await storedTrustStores(vault, settings);
  const database = openDatabase(places.database);
  try {
    database.script("PRAGMA synchronous = OFF");
    database.write(() => {
      for (const record of certificates) insert(database, "certificate", record);
      for (const record of trustStores) insert(database, "trust_store", record);
      for (let n = 0; n < settings.domains; n += 1) insertDomain(database, benchDomain(n, settings));
      database.run("UPDATE deployment SET head = 1");
    });
  } finally {
    database.close();
  }
}

async function storedCertificates(
  vault: FileKeyVault,
  { ownCertificates }: BenchSettings,
): Promise<readonly CertificateRecord[]> {
  const records: CertificateRecord[] = [];
  if (ownCertificates === undefined) return records;
  const bytes = encodeMaterial(ownCertificates.material);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  for (let n = 0; n < ownCertificates.count; n += 1) {
    const id = certificateId(n);
    await vault.put(materialName(id, 1), bytes);
    records.push(certificateRecord({ id, names: [`d${n}.example.net`], material: { version: 1, sha256 } }));
  }
  return records;
}

async function storedTrustStores(
  vault: FileKeyVault,
  { clientRootPem = null }: BenchSettings,
): Promise<readonly TrustStoreRecord[]> {
  if (clientRootPem === null) return [];
  const bytes = Buffer.from(JSON.stringify({ certificatesPem: clientRootPem, crlPem: null }));
  const contentSha256 = createHash("sha256").update(bytes).digest("hex");
  await vault.put(trustName(contentSha256), bytes);
  return [trustStoreRecord({ id: trustStoreId(1), contentSha256 })];
}

function insertDomain(database: Database, domain: DomainRecord): void {
  database.run(
    "INSERT INTO domain (id, account, revision, record) VALUES (?, ?, 1, ?)",
    domain.name,
    domain.account,
    JSON.stringify(domain),
  );
  for (const host of domain.mxHosts) {
    database.run(
      `INSERT INTO mx_host (host, account, certificate_id, domain_count) VALUES (?, ?, ?, 1)
       ON CONFLICT (host) DO UPDATE SET domain_count = domain_count + 1`,
      host,
      domain.account,
      domain.tls.server.certificateId,
    );
  }
}

function insert(
  database: Database,
  table: "certificate" | "trust_store",
  record: CertificateRecord | TrustStoreRecord,
): void {
  const sql = `INSERT INTO ${table} (id, account, revision, record, used_count) VALUES (?, ?, 1, ?, 1)`;
  database.run(sql, record.id, record.account, JSON.stringify(record));
}
