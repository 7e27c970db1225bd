import { type EdgeId, isEdgeId } from "../../core/certificate/ids.ts";
import {
  type EdgeReport,
  type EdgeReports,
  LIVE_WITHIN_MS,
  LOST_SHOWN_MS,
  type ReportedEdge,
} from "../../core/edge-report/edge-reports.ts";
import { edgeAt, readEdgeReport } from "../../core/edge-report/stored-report.ts";
import { type DynamoDbTable, keyItem, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import type { HeardClock } from "./service-clock.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { EDGE_PARTITION, edgeKey, wholePartition } from "./table-keys.ts";

/**
 * Edge reports beside the settings, in the partition EDGE alone: the only items that an edge may write. `clock` is the
 * store's (service-clock.ts). Forgotten reports go by the table's time to live.
 */
export class DynamoDbEdgeReports implements EdgeReports {
  readonly #table: DynamoDbTable;
  readonly #clock: HeardClock;

  constructor(table: DynamoDbTable, clock: HeardClock) {
    this.#table = table;
    this.#clock = clock;
  }

  async report(report: EdgeReport): Promise<void> {
    const key = edgeKey(report.id);
    // Any answer brings the time; before the first there is none to stamp a report with.
    if (!this.#clock.isHeard) await this.#table.get(key);
    const now = this.#clock.now();
    const forgottenAt = Math.ceil((now + LIVE_WITHIN_MS + LOST_SHOWN_MS) / 1000);
    await this.#table.put({
      ...keyItem(key),
      reportedAt: { N: String(now) },
      json: { S: JSON.stringify(report) },
      [TABLE_DEFINITION.timeToLive]: { N: String(forgottenAt) },
    });
  }

  async list(): Promise<readonly ReportedEdge[]> {
    const edges: ReportedEdge[] = [];
    for await (const items of this.#table.pages(wholePartition(EDGE_PARTITION))) {
      // After the answer: it has brought the time.
      const now = this.#clock.now();
      for (const item of items) {
        const id = sortKeyOf(item);
        if (!isEdgeId(id)) continue;
        const edge = edgeAt(readEdgeReport(id, textOf(item, "json")), numberOf(item, "reportedAt") ?? 0, now);
        if (edge !== null) edges.push(edge);
      }
    }
    return edges;
  }

  async remove(id: EdgeId): Promise<void> {
    await this.#table.delete(edgeKey(id));
  }
}
