/** Renewal and rotation of self-signed certificates: a new certificate for the same key, or for a new one. */

import type { CertificatePlan, CertificateRecord, PendingKey } from "../record/certificate.ts";
import { materialPut } from "../store/key-vault.ts";
import { encodeMaterial, type StoredPrivateKey } from "../x509/serving-material.ts";
import { readMaterial, readPendingKey } from "./certificate-material.ts";
import { checkLoads } from "./load-at-edge.ts";
import { madeOnce } from "./made-once.ts";
import { planOf } from "./renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { withVersion } from "./versions.ts";

export type SelfSigningDependencies = Pick<
  ServiceDependencies,
  "vault" | "clock" | "loadAtEdge" | "makeSelfSigned"
>;

/**
 * A renewal for one write, which may be built several times: it is signed, and put into the vault, again only
 * where another write has changed what it is made of.
 *
 * The result gives the record with a new version: pending keys whose switch was requested take the place of
 * the present ones, which otherwise stay unless the plan wants new keys: those made ahead, or else new ones.
 * The material is in the vault when it resolves. It rejects with Unreadable when a key that is to stay is
 * missing; Unavailable; RuleViolation.
 */
export function selfSignedRenewal(
  deps: SelfSigningDependencies,
): (before: CertificateRecord) => Promise<CertificateRecord> {
  const once = madeOnce<Awaited<ReturnType<typeof signed>>>();
  return async (before) => {
    const plan = planOf(before);
    if (plan === null) return before;
    const { id, names, material: present } = before;
    const pending = duePending(before, plan);
    const of = { id, names, plan, present: present?.sha256, pending: pending.map(({ sha256 }) => sha256) };
    const { made, putMaterial } = await once(of, () => signed(deps, before, { plan, pending }));
    const material = await putMaterial(before);
    const kept = new Set(before.keys.map(({ spkiPin }) => spkiPin));
    const cause = made.keys.every(({ spkiPin }) => kept.has(spkiPin)) ? "renewed" : "rotated";
    const version = { material, keys: made.keys, names: made.names };
    return {
      ...before,
      ...withVersion(before, version, { nowMs: deps.clock.now(), cause }),
      plan,
      ...pendingWithout(before, new Set(made.keys.map(({ spkiPin }) => spkiPin))),
      attempt: undefined,
    };
  };
}

interface Signing {
  readonly plan: CertificatePlan;
  readonly pending: readonly PendingKey[];
}

async function signed(deps: SelfSigningDependencies, before: CertificateRecord, { plan, pending }: Signing) {
  const { keyTypes, days } = plan;
  const existingKeys = await keysToUse(deps, before, { plan, pending });
  const request = { names: before.names, keyTypes, days, existingKeys };
  const made = await deps.makeSelfSigned(request, { nowMs: deps.clock.now() });
  checkLoads(deps.loadAtEdge, "", made.material);
  return { made, putMaterial: materialPut(deps.vault, encodeMaterial(made.material)) };
}

/**
 * A renewal with a new key takes the one that was announced, so that its TLSA record is published already.
 */
const duePending = ({ pendingKeys = [] }: CertificateRecord, plan: CertificatePlan): readonly PendingKey[] =>
  pendingKeys.filter(({ switchAt }) => switchAt !== null || plan.renewalKey === "new");

async function keysToUse(
  { vault }: Pick<SelfSigningDependencies, "vault">,
  record: CertificateRecord,
  { plan, pending }: Signing,
): Promise<readonly StoredPrivateKey[]> {
  const due = await Promise.all(pending.map((key) => readPendingKey(vault, record.id, key)));
  if (plan.renewalKey === "new") return due;
  const taken = new Set(due.map(({ keyType }) => keyType));
  const present = await readMaterial(vault, record);
  return [...due, ...present.keys.filter(({ keyType }) => !taken.has(keyType))];
}

/** The pending keys that are not in service yet. */
export function pendingWithout(
  { pendingKeys = [] }: Pick<CertificateRecord, "pendingKeys">,
  served: ReadonlySet<string>,
): Pick<CertificateRecord, "pendingKeys"> {
  const left = pendingKeys.filter(({ spkiPin }) => !served.has(spkiPin));
  return { pendingKeys: left.length === 0 ? undefined : left };
}
