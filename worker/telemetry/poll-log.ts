import type { PollEvent } from "../event/poll-event.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type { UnreadableItem } from "../../core/store/store.ts";
import type { Log } from "../../core/log-event.ts";

export interface PollLogOptions {
  readonly log: Log;
  readonly snapshot: () => Snapshot | null;
  readonly staleForMs: () => number;
}

/** Items of one line; the status shows them all. */
const MAX_ITEMS = 20;

/**
 * Logs what polls found. An unreachable store is logged at its first failure and then at
 * every doubling of the failures, so that a night without it is a few lines; its recovery is logged once.
 */
export function createPollLog({ log, snapshot, staleForMs }: PollLogOptions): (event: PollEvent) => void {
  let unreadable: readonly UnreadableItem[] = [];
  let failures = 0;

  function failed(event: Extract<PollEvent, { kind: "failed" | "refused" | "from-backup" }>): void {
    failures += 1;
    if ((failures & (failures - 1)) !== 0) return;
    const revision = snapshot()?.revision ?? null;
    log("settings-stale", { revision, failures, staleSeconds: seconds(staleForMs()), ...withError(event) });
  }

  function succeeded(): void {
    if (failures > 0) log("settings-recovered", { revision: snapshot()?.revision ?? null, failures });
    failures = 0;
    const items = snapshot()?.unreadable ?? [];
    if (items === unreadable || items.length + unreadable.length === 0) return;
    unreadable = items;
    log("settings-unreadable", { count: items.length, items: items.slice(0, MAX_ITEMS) });
  }

  function fromBackup({ ageMs, ...event }: Extract<PollEvent, { kind: "from-backup" }>): void {
    const { revision, domains, unreadable: count, error } = event;
    log("settings-from-backup", { revision, ageSeconds: seconds(ageMs), domains, unreadable: count, error });
  }

  return (event) => {
    const { kind: _kind, ...fields } = event;
    switch (event.kind) {
      case "failed":
        return failed(event);
      case "from-backup":
        fromBackup(event);
        return failed(event);
      case "refused":
        log("settings-refused", fields);
        return failed(event);
      case "gap":
        return log("settings-gap", fields);
      case "loaded":
        log("settings-loaded", fields);
        return succeeded();
      case "applied":
        log("settings-applied", fields);
        return succeeded();
      case "trust-contents":
        log("trust-contents-loaded", fields);
        return succeeded();
      case "unchanged":
        log("settings-unchanged", fields);
        return succeeded();
      default:
        return event satisfies never;
    }
  };
}

const seconds = (ms: number): number => Math.round(ms / 1000);

const withError = (event: PollEvent): { error?: unknown } => ("error" in event ? { error: event.error } : {});
