import { randomInt } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import {
  checkStateName,
  type IssuanceState,
  type IssuanceStateItem,
  type IssuanceStateName,
  stateJson,
  VERSION_RANGE,
} from "../../core/store/issuance-state.ts";
import { parseStoredJson } from "../../core/stored-json.ts";
import { type Database, integer, text } from "./database.ts";

/** Issuance state beside the settings, in the same file. `clock` is the store's. */
export class SqliteIssuanceState implements IssuanceState {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async get(name: IssuanceStateName): Promise<IssuanceStateItem | null> {
    checkStateName(name);
    const row = this.#database.get(
      "SELECT version, value FROM issuance_state WHERE name = ? AND (expires_at IS NULL OR expires_at > ?)",
      name,
      this.#clock.now(),
    );
    if (row === undefined) return null;
    return { value: parseStoredJson(text(row, "value")), version: integer(row, "version") };
  }

  async put(
    name: IssuanceStateName,
    value: unknown,
    { expected, expiresAtMs }: { readonly expected: number | null; readonly expiresAtMs: number | null },
  ): Promise<number | null> {
    checkStateName(name);
    const json = stateJson(value);
    return this.#database.write(() => {
      this.#database.run("DELETE FROM issuance_state WHERE expires_at <= ?", this.#clock.now());
      const row = this.#database.get("SELECT version FROM issuance_state WHERE name = ?", name);
      if ((row === undefined ? null : integer(row, "version")) !== expected) return null;
      const version = randomInt(VERSION_RANGE.from, VERSION_RANGE.below);
      this.#database.run(
        "INSERT OR REPLACE INTO issuance_state (name, version, value, expires_at) VALUES (?, ?, ?, ?)",
        name,
        version,
        json,
        expiresAtMs,
      );
      return version;
    });
  }

  async delete(name: IssuanceStateName): Promise<void> {
    checkStateName(name);
    this.#database.run("DELETE FROM issuance_state WHERE name = ?", name);
  }
}
