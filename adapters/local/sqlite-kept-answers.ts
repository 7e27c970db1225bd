import type { Clock } from "../../core/clock.ts";
import {
  type BegunRequest,
  checkKeptSize,
  type KeptAnswers,
  type RequestRun,
} from "../../core/store/kept-answers.ts";
import { type Database, text } from "./database.ts";

/** Kept answers in the file of the settings. `clock` is the store's. */
export class SqliteKeptAnswers implements KeptAnswers {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async begin(name: string, { request, run }: RequestRun, expiresAtMs: number): Promise<BegunRequest | null> {
    return this.#database.write(() => {
      this.#database.run("DELETE FROM kept_answer WHERE expires_at <= ?", this.#clock.now());
      const row = this.#database.get("SELECT request, answer FROM kept_answer WHERE name = ?", name);
      if (row !== undefined) {
        const answer = row["answer"];
        return { request: text(row, "request"), answer: answer instanceof Uint8Array ? answer : null };
      }
      this.#database.run(
        "INSERT INTO kept_answer (name, request, run, expires_at) VALUES (?, ?, ?, ?)",
        name,
        request,
        run,
        expiresAtMs,
      );
      return null;
    });
  }

  async keep(
    name: string,
    { run }: RequestRun,
    { answer, expiresAtMs }: { readonly answer: Uint8Array; readonly expiresAtMs: number },
  ): Promise<boolean> {
    checkKeptSize(answer);
    const sql = "UPDATE kept_answer SET answer = ?, expires_at = ? WHERE name = ? AND run = ?";
    return this.#database.run(sql, answer, expiresAtMs, name, run) > 0;
  }

  async release(name: string, { run }: RequestRun): Promise<void> {
    this.#database.run("DELETE FROM kept_answer WHERE name = ? AND run = ?", name, run);
  }
}
