import type { AcmCertificates } from "../../core/certificate/acm-certificates.ts";
import type { CertificateRecord } from "../../core/certificate/certificate.ts";
import { expiryOf } from "../../core/certificate/expiry.ts";
import { cleanUpKeys, type KeyCleanUpOptions } from "../../core/certificate/key-clean-up.ts";
import { type BackedUp, backUp, type BackUpPorts } from "../../core/settings/back-up.ts";
import type { LambdaLog } from "../lambda-log.ts";
import type { ScheduleTask } from "./schedule-event.ts";

export interface ScheduleDependencies extends BackUpPorts {
  readonly vault: KeyCleanUpOptions["vault"];
  readonly acm: Pick<AcmCertificates, "advance">;
  readonly now: () => number;
  /** The most that this process ever held, in bytes. */
  readonly peakMemory: () => number;
  readonly log: LambdaLog;
}

/** Each certificate on its own: one that cannot be exported must not hold up the others. */
export class SweepFailed extends Error {
  override readonly name = "SweepFailed";
}

/**
 * Does what the function was called for, and says what came of it in one line of the log. Alarms are made from these lines
 * (infra/log-metrics.ts).
 *
 * @throws whatever keeps it from being done, so that it counts as failed and is tried again.
 */
export async function runTask(task: ScheduleTask, deps: ScheduleDependencies): Promise<void> {
  try {
    await doTask(task, deps);
  } finally {
    // Lambda measures no memory in a metric; a function that outgrows its own is only seen when it is killed.
    deps.log("info", {
      event: "memory-measured",
      peakMemoryMegabytes: Math.ceil(deps.peakMemory() / 1024 ** 2),
    });
  }
}

async function doTask(task: ScheduleTask, deps: ScheduleDependencies): Promise<void> {
  if (task.kind === "available") return available(task.arns, deps);
  switch (task.sweep) {
    case "backup":
      await sweepBackup(deps);
      return;
    case "expiry":
      return sweepExpiry(deps);
    case "renewals":
      return sweepRenewals(deps);
    case "clean-up":
      return sweepKeys(deps);
    default:
      return task.sweep satisfies never;
  }
}

async function sweepBackup(deps: ScheduleDependencies): Promise<BackedUp> {
  const startedAt = deps.now();
  const backup = await backUp(deps, startedAt);
  const { revision, domains, unreadable } = backup.contents;
  deps.log("info", {
    event: "backup-swept",
    revision,
    domains: domains.length,
    unreadable: unreadable.length,
    read: backup.read,
    durationMs: deps.now() - startedAt,
  });
  return backup;
}

/** Every hour: what orders wait for, and how long certificates will do. Read by way of the backup, which costs what changed. */
async function sweepExpiry(deps: ScheduleDependencies): Promise<void> {
  const { contents } = await sweepBackup(deps);
  const { states, soonestDays, expiring, expired, reached } = expiryOf(contents, deps.now());
  for (const certificate of expiring) deps.log("error", { event: "certificate-expiring", ...certificate });
  // No days where none is in use: a metric made of this line must not see a number.
  const days = soonestDays === null ? {} : { soonestDays };
  deps.log("info", { event: "expiry-swept", ...states, ...days, expiredInUse: expired, reached });
  const waiting = contents.certificates.filter(({ acm }) => acm?.status === "pending");
  await advanceAll(waiting, deps);
}

/** Every day, whatever events got lost: all certificates of ACM. */
async function sweepRenewals(deps: ScheduleDependencies): Promise<void> {
  const { contents } = await sweepBackup(deps);
  await advanceAll(
    contents.certificates.filter(({ acm }) => acm !== undefined),
    deps,
  );
}

async function available(arns: readonly string[], deps: ScheduleDependencies): Promise<void> {
  const { contents } = await sweepBackup(deps);
  const named = contents.certificates.filter(({ acm }) => acm !== undefined && arns.includes(acm.arn));
  await advanceAll(named, deps);
}

async function sweepKeys(deps: ScheduleDependencies): Promise<void> {
  const { vault, store, now, log } = deps;
  const cleanUp = await cleanUpKeys({ vault, contents: () => store.loadAll(), nowMs: now() });
  if (cleanUp.kind === "kept") log("error", { event: "clean-up-held-up", unreadable: cleanUp.unreadable });
  else
    log("info", {
      event: "clean-up-swept",
      deleted: cleanUp.deleted.length,
      names: cleanUp.deleted.slice(0, 50),
    });
}

async function advanceAll(
  certificates: readonly CertificateRecord[],
  deps: ScheduleDependencies,
): Promise<void> {
  const counts = { unchanged: 0, noted: 0, exported: 0, gone: 0, failed: 0 };
  for (const { id } of certificates) {
    try {
      const advance = await deps.acm.advance(id);
      counts[advance] += 1;
      if (advance === "exported") deps.log("info", { event: "certificate-exported", id });
    } catch (error) {
      counts.failed += 1;
      const { name, message } = error instanceof Error ? error : new Error(typeof error);
      deps.log("error", { event: "certificate-not-advanced", id, error: name, message });
    }
  }
  deps.log("info", { event: "renewals-swept", ...counts });
  if (counts.failed > 0)
    throw new SweepFailed(`${counts.failed} certificates of ACM were not brought up to date`);
}
