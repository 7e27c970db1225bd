import { randomInt } from "node:crypto";
import { type AccessKind, readAccessRecord } from "../../core/access/access-record.ts";
import {
  type AccessPage,
  type AccessStore,
  checkRoom,
  REVISION_RANGE,
} from "../../core/access/access-store.ts";
import type { Timestamp } from "../../core/clock.ts";
import { Unreadable } from "../../core/errors.ts";
import type { PageRequest } from "../../core/store/store.ts";
import { type Database, integer, type Row, text } from "./database.ts";

/** Accounts, tokens and principals, in the file of the settings. */
export class SqliteAccessStore implements AccessStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async get<R>(kind: AccessKind<R>, id: string): Promise<R | null> {
    const row = this.#row(kind, id);
    return row === undefined ? null : readAccessRecord(kind, id, text(row, "record"));
  }

  async list<R>(
    kind: AccessKind<R>,
    account: string,
    { limit, after = "" }: PageRequest,
  ): Promise<AccessPage<R>> {
    const rows = this.#database.all(
      "SELECT id, record FROM access_record WHERE kind = ? AND account = ? AND id > ? ORDER BY id LIMIT ?",
      kind.kind,
      account,
      after,
      limit + 1,
    );
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      ...readRows(kind, shown),
      next: rows.length > limit && last !== undefined ? text(last, "id") : null,
    };
  }

  async put<R extends { readonly revision: number }>(
    kind: AccessKind<R>,
    record: R,
    expected: number | null,
  ): Promise<number | null> {
    return this.#database.write(() => this.#put(kind, record, expected));
  }

  async create<R extends { readonly revision: number }>(
    kind: AccessKind<R>,
    record: R,
    most: number | null,
  ): Promise<number | null> {
    return this.#database.write(() => {
      const sql = "SELECT count(*) AS records FROM access_record WHERE kind = ? AND account = ?";
      const row = this.#database.get(sql, kind.kind, kind.accountOf(record));
      checkRoom(kind, { most, count: row === undefined ? 0 : integer(row, "records") });
      return this.#put(kind, record, null);
    });
  }

  /** In the transaction of its caller. */
  #put<R extends { readonly revision: number }>(
    kind: AccessKind<R>,
    record: R,
    expected: number | null,
  ): number | null {
    const id = kind.idOf(record);
    const row = this.#row(kind, id);
    if ((row === undefined ? null : integer(row, "revision")) !== expected) return null;
    const revision = randomInt(REVISION_RANGE.from, REVISION_RANGE.below);
    this.#database.run(
      `INSERT INTO access_record (kind, id, account, revision, record) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (kind, id) DO UPDATE
       SET account = excluded.account, revision = excluded.revision, record = excluded.record`,
      kind.kind,
      id,
      kind.accountOf(record),
      revision,
      JSON.stringify({ ...record, revision }),
    );
    return revision;
  }

  async delete<R>(kind: AccessKind<R>, id: string, expected: number): Promise<boolean> {
    const sql = "DELETE FROM access_record WHERE kind = ? AND id = ? AND revision = ?";
    return this.#database.run(sql, kind.kind, id, expected) > 0;
  }

  async markUsed(tokenId: string, at: Timestamp): Promise<void> {
    this.#database.run(
      `UPDATE access_record SET last_used_at = ?
       WHERE kind = 'token' AND id = ? AND (last_used_at IS NULL OR last_used_at < ?)`,
      at,
      tokenId,
      at,
    );
  }

  async lastUsed(tokenIds: readonly string[]): Promise<ReadonlyMap<string, Timestamp>> {
    const rows = this.#database.all(
      `SELECT id, last_used_at FROM access_record
       WHERE kind = 'token' AND last_used_at IS NOT NULL AND id IN (SELECT value FROM json_each(?))`,
      JSON.stringify(tokenIds),
    );
    return new Map(rows.map((row) => [text(row, "id"), text(row, "last_used_at")]));
  }

  #row({ kind }: Pick<AccessKind<never>, "kind">, id: string): Row | undefined {
    const sql = "SELECT revision, record FROM access_record WHERE kind = ? AND id = ?";
    return this.#database.get(sql, kind, id);
  }
}

function readRows<R>(kind: AccessKind<R>, rows: readonly Row[]): Omit<AccessPage<R>, "next"> {
  const items: R[] = [];
  const unreadable: { id: string; problem: string }[] = [];
  for (const row of rows) {
    const id = text(row, "id");
    try {
      items.push(readAccessRecord(kind, id, text(row, "record")));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unreadable.push({ id, problem: error.message });
    }
  }
  return { items, unreadable };
}
