/** Writes of the schedule: changes of certificates that no request asks for. */

import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { StateConflict } from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { commitAlone } from "./record-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** Actor recorded for changes made by the scheduler. */
const SCHEDULE = "schedule";

/**
 * Stores what `change` makes of a certificate; the same object = nothing changes. `change` may be called
 * several times, each time with the record as it is then.
 *
 * @returns the record as it is stored then. @throws StateConflict when it was deleted; as `commitWithRetry`
 */
export async function writeBySchedule(
  { store, clock, retry }: Pick<ServiceDependencies, "store" | "clock" | "retry">,
  id: CertificateId,
  change: (before: CertificateRecord) => CertificateRecord | Promise<CertificateRecord>,
): Promise<CertificateRecord> {
  const { entry, result } = await commitWithRetry<CertificateRecord>(
    store,
    async (expectedHead) => {
      const before = await store.getCertificate(id);
      if (before === null) throw new StateConflict("in-use", "the certificate was deleted meanwhile");
      const changed = await change(before);
      if (changed === before) return { unchanged: before };
      const at = timestamp(clock.now());
      const after = { ...changed, updatedAt: at, updatedBy: SCHEDULE };
      const actor: Actor = { account: before.account, name: SCHEDULE };
      const commit = commitAlone({ kind: "certificate", id, before, after }, { actor, at, expectedHead });
      return { commit, result: after };
    },
    retry,
  );
  return entry === null ? result : { ...result, revision: entry.revision };
}
