import { type EdgeId, isEdgeId } from "../../core/name/ids.ts";
import {
  type EdgeReport,
  type EdgeReports,
  LIVE_WITHIN_MS,
  LOST_SHOWN_MS,
  type ReportedEdge,
} from "../../core/edge-report/edge-reports.ts";
import { edgeAt, readEdgeReport, splitReport } from "../../core/edge-report/stored-report.ts";
import { type DynamoDbTable, type Item, keyItem, numberOf, sortKeyOf, textOf } from "./dynamodb-table.ts";
import type { HeardClock } from "./service-clock.ts";
import { TABLE_DEFINITION } from "./table-definition.ts";
import { EDGE_PARTITION, edgeKey, edgeListKey, wholePartition } from "./table-keys.ts";

/** A list that has not changed is written again after this time, since its time to live ends. */
const LIST_RENEWED_MS = 12 * 3600 * 1000;

/**
 * Edge reports beside the settings, in the partition EDGE alone: the only items that an edge may write.
 * `clock` is the store's (service-clock.ts). Forgotten reports go by the table's time to live.
 *
 * The list of certificates is a separate item, written when it has changed: DynamoDB charges each begun KB,
 * and with a thousand certificates a report every 10 s would cost more than the edge that makes it.
 */
export class DynamoDbEdgeReports implements EdgeReports {
  readonly #table: DynamoDbTable;
  readonly #clock: HeardClock;
  /** The list as it was written last. */
  #written: { readonly id: EdgeId; readonly json: string; readonly atMs: number } | null = null;

  constructor(table: DynamoDbTable, clock: HeardClock) {
    this.#table = table;
    this.#clock = clock;
  }

  async report(report: EdgeReport): Promise<void> {
    const { id } = report;
    // Any answer brings the time; before the first there is none to stamp a report with.
    if (!this.#clock.isHeard) await this.#table.get(edgeKey(id));
    const now = this.#clock.now();
    const { heartbeat, list } = splitReport(report);
    // First, so that no heartbeat is without its list.
    await this.#writeList(id, JSON.stringify(list), now);
    await this.#table.put({
      ...keyItem(edgeKey(id)),
      reportedAt: { N: String(now) },
      json: { S: JSON.stringify(heartbeat) },
      isSplit: { BOOL: true },
      [TABLE_DEFINITION.timeToLive]: forgottenAt(now),
    });
  }

  async list(): Promise<readonly ReportedEdge[]> {
    const stored = new Map<string, Item>();
    for await (const items of this.#table.pages(wholePartition(EDGE_PARTITION))) {
      for (const item of items) stored.set(sortKeyOf(item), item);
    }
    // After the answers: they have brought the time.
    const now = this.#clock.now();
    return [...stored].flatMap(([id, item]) => {
      if (!isEdgeId(id)) return [];
      // A release before wrote whole reports; the list of a release after it would be another's.
      const list = "isSplit" in item ? textOf(stored.get(edgeListKey(id).sk), "json") : undefined;
      const report = readEdgeReport(id, textOf(item, "json"), list);
      return edgeAt(report, numberOf(item, "reportedAt") ?? 0, now) ?? [];
    });
  }

  async remove(id: EdgeId): Promise<void> {
    await this.#table.delete(edgeKey(id));
    await this.#table.delete(edgeListKey(id));
    this.#written = null;
  }

  async #writeList(id: EdgeId, json: string, now: number): Promise<void> {
    const last = this.#written;
    if (last?.id === id && last.json === json && Math.abs(now - last.atMs) < LIST_RENEWED_MS) return;
    await this.#table.put({
      ...keyItem(edgeListKey(id)),
      json: { S: json },
      [TABLE_DEFINITION.timeToLive]: forgottenAt(now + 2 * LIST_RENEWED_MS),
    });
    this.#written = { id, json, atMs: now };
  }
}

const forgottenAt = (ms: number): { readonly N: string } => ({
  N: String(Math.ceil((ms + LIVE_WITHIN_MS + LOST_SHOWN_MS) / 1000)),
});
