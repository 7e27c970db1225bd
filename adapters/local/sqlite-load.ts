/** Reads of all settings at one revision. */

import { setImmediate } from "node:timers/promises";
import type { StoredHostField } from "../../core/record/mx-host.ts";
import { createInterner } from "../../core/snapshot/interner.ts";
import type { StoreContents, UnreadableItem } from "../../core/store/store.ts";
import {
  readCertificate,
  readDomain,
  readMxHost,
  readOrReport,
  readTrustStore,
} from "../../core/store/stored-record.ts";
import { type Connection, type Database, integer, type Row, text } from "./database.ts";

/**
 * Reads everything at one revision: `Store.loadAll`. From a file it reads by a separate connection, lets the
 * process serve others after every `rowsAtOnce` rows, and does not hold up writers. A database in memory has
 * only one connection and is read without a pause.
 */
export async function loadContents(database: Database, rowsAtOnce: number): Promise<StoreContents> {
  const reader = database.openReader();
  try {
    const steps = read(reader ?? database, rowsAtOnce);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (reader !== null) await setImmediate();
    }
  } finally {
    reader?.close();
  }
}

function* read(source: Connection, rowsAtOnce: number): Generator<void, StoreContents> {
  const unreadable: UnreadableItem[] = [];
  // While they are read: all of them as JSON brought them would be twice the memory, and later is too late.
  const interner = createInterner();
  let rows = 0;
  function* table<T>(
    kind: UnreadableItem["kind"],
    sql: string,
    parse: (row: Row) => T,
  ): Generator<void, T[]> {
    const values: T[] = [];
    for (const row of source.each(sql)) {
      const item = readOrReport(kind, text(row, "id"), () => parse(row));
      if ("value" in item) values.push(item.value);
      else unreadable.push(item.unreadable);
      rows += 1;
      if (rows % rowsAtOnce === 0) yield;
    }
    return values;
  }
  return {
    revision: headOf(source),
    domains: yield* table("domain", "SELECT id, record FROM domain", (row) =>
      interner.domain(readDomain(text(row, "id"), row["record"])),
    ),
    mxHosts: yield* table("mx-host", "SELECT host AS id, mx_host.* FROM mx_host", mxHostOf),
    certificates: yield* table("certificate", "SELECT id, record FROM certificate", (row) =>
      readCertificate(text(row, "id"), row["record"]),
    ),
    trustStores: yield* table("trust-store", "SELECT id, record FROM trust_store", (row) =>
      readTrustStore(text(row, "id"), row["record"]),
    ),
    unreadable,
  };
}

export function headOf(source: Connection): number {
  const row = source.get("SELECT head FROM deployment");
  return row === undefined ? 0 : integer(row, "head");
}

export const hostOfRow = (row: Row) => readOrReport("mx-host", text(row, "host"), () => mxHostOf(row));

/** @throws Unreadable */
const mxHostOf = (row: Row) =>
  readMxHost(text(row, "host"), {
    host: row["host"],
    account: row["account"],
    certificateId: row["certificate_id"],
    domainCount: row["domain_count"],
    certificateRevision: row["certificate_revision"] ?? undefined,
  } satisfies Record<StoredHostField, unknown>);
