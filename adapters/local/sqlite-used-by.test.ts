import { trustStoreUsedBy } from "../../core/management/trust-store-view.ts";
import { describe, expect, it, vi } from "vitest";
import { certificateUsedBy, type UsedBy } from "../../core/management/certificate-view.ts";
import {
  certificateId,
  certificateRecord,
  trustStoreId,
  trustStoreRecord,
} from "../../test/support/records.ts";
import { Writer } from "../../test/contract/store-under-test.ts";
import { openDatabase, type Database } from "./database.ts";
import { SqliteStore } from "./sqlite-store.ts";

const [X, T] = [certificateId(1), trustStoreId(1)];
const ACCOUNT = "default";
/** More than any of these answers reads; it does not grow with the number of domains. */
const ROWS_READ = 300;

const nth = (n: number): string => `d${String(n).padStart(5, "0")}.example`;

/**
 * Domains that all name the trust store and one of `hosts` hosts, which serve the certificate: as commits
 * leave them.
 */
async function used(domains: number, hosts: number): Promise<{ database: Database; store: SqliteStore }> {
  const database = openDatabase(":memory:");
  const store = new SqliteStore(database);
  await new Writer(store).putCertificate(certificateRecord({ id: X }));
  await new Writer(store).putTrustStore(trustStoreRecord({ id: T }));
  database.write(() => {
    for (let n = 0; n < domains; n += 1) {
      database.run("INSERT INTO domain_host VALUES (?, ?, ?)", `mx${n % hosts}.example`, nth(n), ACCOUNT);
      database.run("INSERT INTO domain_trust_store VALUES (?, ?)", T, nth(n));
    }
    for (let n = 0; n < hosts; n += 1) {
      const sql = "INSERT INTO mx_host (host, account, certificate_id, domain_count) VALUES (?, ?, ?, ?)";
      database.run(sql, `mx${n}.example`, ACCOUNT, X, Math.floor(domains / hosts));
    }
    database.run("UPDATE certificate SET used_count = ?", hosts);
    database.run("UPDATE trust_store SET used_count = ?", domains);
  });
  return { database, store };
}

async function rowsReadBy(database: Database, read: () => Promise<UsedBy>): Promise<[UsedBy, number]> {
  const all = vi.spyOn(database, "all");
  const usedBy = await read();
  const rows = all.mock.results.reduce((sum, { value }) => sum + (value as unknown[]).length, 0);
  return [usedBy, rows];
}

const firstTwenty = Array.from({ length: 20 }, (_, index) => nth(index));

describe("what is shown of the domains that use a record", () => {
  it.each([100, 3_000])(
    "reads 20 names of the %i domains of a trust store, and no record",
    async (domains) => {
      const { database, store } = await used(domains, 1);
      const [usedBy, rows] = await rowsReadBy(database, () => trustStoreUsedBy(store, { id: T }));
      expect(usedBy).toEqual({ count: domains, domains: firstTwenty });
      expect(rows).toBe(20);
    },
  );

  it.each([
    [100, { count: 100 }],
    [3_000, { count: 3_000 }],
  ])("has the exact count of %i domains on one host, which counts them itself", async (domains, expected) => {
    const { database, store } = await used(domains, 1);
    const record = { id: X, account: ACCOUNT };
    const [usedBy, rows] = await rowsReadBy(database, () => certificateUsedBy(store, record));
    expect(usedBy).toEqual({ ...expected, domains: firstTwenty });
    expect(rows).toBeLessThan(ROWS_READ);
  });

  it("counts a few hosts to the end, and says of many that there are more", async () => {
    const few = await used(150, 30);
    const record = { id: X, account: ACCOUNT };
    expect(await certificateUsedBy(few.store, record)).toEqual({ count: 150, domains: firstTwenty });
    const many = await used(3_000, 3_000);
    const [usedBy, rows] = await rowsReadBy(many.database, () => certificateUsedBy(many.store, record));
    expect(usedBy).toMatchObject({ count: 50, isAtLeast: true });
    expect(usedBy.domains).toHaveLength(20);
    expect(rows).toBeLessThan(ROWS_READ);
  });
});
