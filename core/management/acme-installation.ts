/** What a CA has issued: judged as an upload, then put into service. */

import { RuleViolation } from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";
import type { AcmeIssuance, AcmeOrder, CertificateRecord } from "../record/certificate.ts";
import { materialPut } from "../store/key-vault.ts";
import { withOtherSlots } from "../x509/key-slots.ts";
import { slotOf } from "../x509/key-type.ts";
import { parsePemBundle } from "../x509/pem-bundle.ts";
import { encodeMaterial, type NewCertificate, type StoredPrivateKey } from "../x509/serving-material.ts";
import { nullIfLost, readMaterial } from "./certificate-material.ts";
import { checkLoads } from "./load-at-edge.ts";
import { checkHostsCovered } from "./reference-rules.ts";
import { writeBySchedule } from "./scheduled-write.ts";
import { pendingWithout } from "./self-signed-renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { withVersion } from "./versions.ts";

type Dependencies = Pick<ServiceDependencies, "store" | "vault" | "clock" | "retry" | "loadAtEdge">;

/**
 * What the CA signed for a key. What no edge could serve never replaces what works.
 * @throws RuleViolation, InvalidInput: see `parsePemBundle`
 */
export async function parseIssued(
  { clock, loadAtEdge }: Pick<Dependencies, "clock" | "loadAtEdge">,
  certificatePem: string,
  key: StoredPrivateKey,
): Promise<NewCertificate> {
  const made = parsePemBundle({ certificatePem }, { nowMs: clock.now(), existingKeys: [key] });
  checkLoads(loadAtEdge, "/certificatePem", made.material);
  return made;
}

/** Whether the only fault of an issued certificate is a date in the future. */
export const isEarly = (error: unknown): boolean =>
  error instanceof RuleViolation && error.issues.every(({ code }) => code === "not-yet-valid");

/** Puts the certificate of an order into service, once. @throws RuleViolation; Unavailable */
export async function serveIssued(
  deps: Dependencies,
  { id, order, made }: { id: CertificateId; order: AcmeOrder; made: NewCertificate },
): Promise<void> {
  await writeBySchedule(deps, id, async (before) => {
    const { acme } = before;
    // Another process has put it into service, or the operator has other plans by now.
    if (acme === undefined || !acme.orders.some(({ url }) => url === order.url)) return before;
    return { ...before, ...(await served(deps, before, made)), acme: without(acme, order) };
  });
}

async function served(
  { vault, store, clock }: Dependencies,
  before: CertificateRecord,
  made: NewCertificate,
): Promise<Partial<CertificateRecord>> {
  const present = before.material === null ? null : await readMaterial(vault, before).catch(nullIfLost);
  const slots = present === null ? made : withOtherSlots({ keys: before.keys, material: present }, made);
  const { id, names } = before;
  await checkHostsCovered(store, "/names", { id, before: names, after: slots.names });
  const material = await materialPut(vault, encodeMaterial(slots.material))(before);
  const [key] = made.keys;
  const last = before.keys.find(
    ({ keyType }) => key !== undefined && slotOf(keyType) === slotOf(key.keyType),
  );
  const cause = last === undefined ? "issued" : last.spkiPin === key?.spkiPin ? "renewed" : "rotated";
  return {
    ...withVersion(before, { ...slots, material }, { nowMs: clock.now(), cause }),
    ...pendingWithout(before, new Set(made.keys.map(({ spkiPin }) => spkiPin))),
  };
}

const without = ({ orders, ...acme }: AcmeIssuance, order: AcmeOrder): AcmeIssuance => ({
  ...acme,
  orders: orders.filter(({ url }) => url !== order.url),
});
