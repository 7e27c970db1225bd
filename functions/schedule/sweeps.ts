/** Tasks of the schedule: sweeps, events of ACM, and the take-over by a region. */

import type { AcmCertificates } from "../../core/management/acm-certificates.ts";
import type { CertificateIssuance } from "../../core/management/issuance.ts";
import { renewedBy } from "../../core/management/renewal.ts";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import { expiryOf } from "../../core/management/expiry.ts";
import type { OwnershipDependencies } from "../../core/management/ownership-service.ts";
import { sweepOwnership } from "../../core/management/ownership-sweep.ts";
import { cleanUpKeys, type KeyCleanUpOptions } from "../../core/management/key-clean-up.ts";
import type { Log } from "../../core/log-event.ts";
import type { Sweep } from "../../core/schedule.ts";
import { backUp, type BackUpPorts } from "../../core/management/back-up.ts";
import type { StoreContents } from "../../core/store/store.ts";
import type { ScheduleTask } from "./schedule-event.ts";

export interface ScheduleDependencies extends Pick<BackUpPorts, "store"> {
  /** null = there are no backups: contents are read from the store. */
  readonly backups: BackUpPorts["backups"] | null;
  readonly vault: KeyCleanUpOptions["vault"];
  /** null = no certificates of ACM can be ordered here. */
  readonly acm: Pick<AcmCertificates, "advance"> | null;
  readonly issuance: Pick<CertificateIssuance, "advance">;
  readonly ownership: OwnershipDependencies;
  /** Whether there is time for one more certificate; asked before each. */
  readonly mayGoOn: () => boolean;
  readonly now: () => number;
  readonly log: Log;
}

/** What a function on AWS does beside the sweeps. */
interface TaskDependencies extends ScheduleDependencies {
  /** The most that this process ever held, in bytes. */
  readonly peakMemory: () => number;
  /** Makes this region the one that writes; resolves to the new head. */
  readonly takeOver: () => Promise<number>;
  /** Region of this function. */
  readonly region: string;
}

/** Each certificate on its own: one that cannot be exported must not hold up the others. */
export class SweepFailed extends Error {
  override readonly name = "SweepFailed";
}

/**
 * Performs the task that the function was called for, and logs its outcome in one line. Alarms are made from
 * these lines (infra/log-metrics.ts).
 *
 * @throws the error that stopped it, so that the call counts as failed and is repeated.
 */
export async function runTask(task: ScheduleTask, deps: TaskDependencies): Promise<void> {
  try {
    await doTask(task, deps);
  } finally {
    // Lambda measures no memory in a metric; a function that outgrows its own is only seen when it is killed.
    deps.log("memory-measured", { peakMemoryMegabytes: Math.ceil(deps.peakMemory() / 1024 ** 2) });
  }
}

function doTask(task: ScheduleTask, deps: TaskDependencies): Promise<void> {
  switch (task.kind) {
    case "available":
      return available(task.arns, deps);
    case "take-over":
      return takeOver(task.region, deps);
    case "sweep":
      return runSweep(task.sweep, deps);
    default:
      return task satisfies never;
  }
}

/** Runs one sweep, and logs its outcome in one line. @throws as `runTask` */
export async function runSweep(sweep: Sweep, deps: ScheduleDependencies): Promise<void> {
  switch (sweep) {
    case "backup":
      await readContents(deps);
      return;
    case "issuance":
      return sweepIssuance(deps);
    case "ownership":
      return sweepNames(deps);
    case "expiry":
      return sweepExpiry(deps);
    case "renewals":
      return sweepRenewals(deps);
    case "clean-up":
      return sweepKeys(deps);
    default:
      return sweep satisfies never;
  }
}

/** Everything that is stored: by way of the backup, which costs what changed, where there are backups. */
async function readContents({ backups, ...deps }: ScheduleDependencies): Promise<StoreContents> {
  if (backups === null) return deps.store.loadAll();
  const startedAt = deps.now();
  const backup = await backUp({ backups, store: deps.store }, startedAt);
  const { revision, domains, unreadable } = backup.contents;
  deps.log("backup-swept", {
    revision,
    domains: domains.length,
    unreadable: unreadable.length,
    read: backup.read,
    durationMs: deps.now() - startedAt,
  });
  return backup.contents;
}

/** Every hour: what orders wait for, and how long certificates will do. */
async function sweepExpiry(deps: ScheduleDependencies): Promise<void> {
  const contents = await readContents(deps);
  const { states, soonestDays, expiring, expired, reached } = expiryOf(contents, deps.now());
  for (const certificate of expiring) deps.log("certificate-expiring", { ...certificate });
  // No days where none is in use: a metric made of this line must not see a number.
  const days = soonestDays === null ? {} : { soonestDays };
  deps.log("expiry-swept", { ...states, ...days, expiredInUse: expired, reached });
  const waiting = contents.certificates.filter(({ acm }) => acm?.status === "pending");
  await advanceAll(waiting, deps);
}

/** Every 5 minutes: orders that go on, and renewals that are due. Each certificate on its own. */
async function sweepIssuance(deps: ScheduleDependencies): Promise<void> {
  const { issuance, log, mayGoOn } = deps;
  const { certificates } = await readContents(deps);
  const counts = { unchanged: 0, waiting: 0, busy: 0, issued: 0, gone: 0, failed: 0, left: 0 };
  const renewed = certificates.filter((each) => renewedBy(each) === "postern");
  for (const { id } of renewed.toSorted((a, b) => dueBy(a) - dueBy(b))) {
    if (!mayGoOn()) {
      counts.left += 1;
      continue;
    }
    try {
      const outcome = await issuance.advance(id);
      counts[outcome] += 1;
      if (outcome === "issued") log("certificate-issued", { id });
    } catch (error) {
      counts.failed += 1;
      const { name, message } = error instanceof Error ? error : new Error(typeof error);
      log("certificate-issuance-failed", { id, error: name, message });
    }
  }
  log("issuance-swept", { ...counts });
}

/** Every 5 minutes: names that are pending, each at growing pauses. */
async function sweepNames(deps: ScheduleDependencies): Promise<void> {
  const { ownership, log, mayGoOn } = deps;
  const { domains } = await readContents(deps);
  const counts = { verified: 0, pending: 0, gone: 0, failed: 0 };
  const left = await sweepOwnership(
    {
      ...ownership,
      mayGoOn,
      onChecked: (name, outcome) => {
        if (typeof outcome === "string") {
          counts[outcome] += 1;
          if (outcome === "verified") log("names-verified", { domain: name });
          return;
        }
        counts.failed += 1;
        const { error } = outcome;
        const { name: type, message } = error instanceof Error ? error : new Error(typeof error);
        log("ownership-check-failed", { domain: name, error: type, message });
      },
    },
    domains,
  );
  log("ownership-swept", { ...counts, left });
}

/**
 * The order of a sweep that may not come to its end: by the end of the life, so that an order that takes all
 * the time again and again holds up no certificate that expires before it. Without a certificate: last.
 */
const dueBy = ({ keys }: CertificateRecord): number =>
  Math.min(Number.MAX_SAFE_INTEGER, ...keys.map(({ notAfter }) => Date.parse(notAfter)));

/** Every day, whatever events got lost: all certificates of ACM. */
async function sweepRenewals(deps: ScheduleDependencies): Promise<void> {
  const contents = await readContents(deps);
  await advanceAll(
    contents.certificates.filter(({ acm }) => acm !== undefined),
    deps,
  );
}

async function available(arns: readonly string[], deps: ScheduleDependencies): Promise<void> {
  const contents = await readContents(deps);
  const named = contents.certificates.filter(({ acm }) => acm !== undefined && arns.includes(acm.arn));
  await advanceAll(named, deps);
}

/** @throws TypeError where the region named is another one: the wrong function was called. */
async function takeOver(region: string, deps: TaskDependencies): Promise<void> {
  if (region !== deps.region) throw new TypeError(`this function is in ${deps.region}, not in ${region}`);
  const revision = await deps.takeOver();
  deps.log("region-taken-over", { region, revision });
}

async function sweepKeys(deps: ScheduleDependencies): Promise<void> {
  const { vault, store, now, log } = deps;
  const cleanUp = await cleanUpKeys({ vault, contents: () => store.loadAll(), nowMs: now() });
  if (cleanUp.kind === "kept") log("clean-up-skipped", { unreadable: cleanUp.unreadable });
  else log("clean-up-swept", { deleted: cleanUp.deleted.length, names: cleanUp.deleted.slice(0, 50) });
}

async function advanceAll(
  certificates: readonly CertificateRecord[],
  { acm, log }: ScheduleDependencies,
): Promise<void> {
  if (acm === null) return;
  const counts = { unchanged: 0, noted: 0, exported: 0, gone: 0, failed: 0 };
  for (const { id } of certificates) {
    try {
      const advance = await acm.advance(id);
      counts[advance] += 1;
      if (advance === "exported") log("certificate-exported", { id });
    } catch (error) {
      counts.failed += 1;
      const { name, message } = error instanceof Error ? error : new Error(typeof error);
      log("certificate-update-failed", { id, error: name, message });
    }
  }
  log("renewals-swept", { ...counts });
  if (counts.failed > 0)
    throw new SweepFailed(`${counts.failed} certificates of ACM were not brought up to date`);
}
