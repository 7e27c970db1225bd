import { type EdgeId, isEdgeId } from "../../core/name/ids.ts";
import type { Clock } from "../../core/clock.ts";
import {
  type EdgeReport,
  type EdgeReports,
  LIVE_WITHIN_MS,
  LOST_SHOWN_MS,
  type ReportedEdge,
} from "../../core/edge-report/edge-reports.ts";
import { edgeAt, readEdgeReport } from "../../core/edge-report/stored-report.ts";
import { type Database, integer, text } from "./database.ts";

/** Edge reports beside the settings, in the same file. `clock` is the store's. */
export class SqliteEdgeReports implements EdgeReports {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async report(report: EdgeReport): Promise<void> {
    const now = this.#clock.now();
    this.#database.write(() => {
      this.#database.run(
        "DELETE FROM edge_report WHERE reported_at < ?",
        now - LIVE_WITHIN_MS - LOST_SHOWN_MS,
      );
      this.#database.run(
        "INSERT OR REPLACE INTO edge_report (id, reported_at, report) VALUES (?, ?, ?)",
        report.id,
        now,
        JSON.stringify(report),
      );
    });
  }

  async list(): Promise<readonly ReportedEdge[]> {
    const now = this.#clock.now();
    return this.#database.all("SELECT * FROM edge_report ORDER BY id").flatMap((row) => {
      const id = text(row, "id");
      if (!isEdgeId(id)) return [];
      return edgeAt(readEdgeReport(id, row["report"]), integer(row, "reported_at"), now) ?? [];
    });
  }

  async remove(id: EdgeId): Promise<void> {
    this.#database.run("DELETE FROM edge_report WHERE id = ?", id);
  }
}
