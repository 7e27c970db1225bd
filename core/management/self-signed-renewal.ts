/** Renewal and rotation of self-signed certificates: a new certificate for the same key, or for a new one. */

import type { CertificateRecord, PendingKey } from "../record/certificate.ts";
import { materialPut } from "../store/key-vault.ts";
import { encodeMaterial, type StoredPrivateKey } from "../x509/serving-material.ts";
import { readMaterial, readPendingKey } from "./certificate-material.ts";
import { checkLoads } from "./load-at-edge.ts";
import { planOf } from "./renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { withVersion } from "./versions.ts";

export type SelfSigningDependencies = Pick<
  ServiceDependencies,
  "vault" | "clock" | "loadAtEdge" | "makeSelfSigned"
>;

/**
 * The record with a new version: pending keys whose switch was requested take the place of the present ones,
 * which otherwise stay unless the plan wants new keys: those made ahead, or else new ones. The material is in
 * the vault when this resolves.
 *
 * @throws Unreadable when a key that is to stay is missing; Unavailable; RuleViolation
 */
export async function renewedSelfSigned(
  deps: SelfSigningDependencies,
  before: CertificateRecord,
): Promise<CertificateRecord> {
  const plan = planOf(before);
  if (plan === null) return before;
  const nowMs = deps.clock.now();
  const existingKeys = await keysToUse(deps, before, plan.renewalKey === "keep");
  const { keyTypes, days } = plan;
  const made = await deps.makeSelfSigned({ names: before.names, keyTypes, days, existingKeys }, { nowMs });
  checkLoads(deps.loadAtEdge, "", made.material);
  const material = await materialPut(deps.vault, encodeMaterial(made.material))(before);
  const kept = new Set(before.keys.map(({ spkiPin }) => spkiPin));
  const cause = made.keys.every(({ spkiPin }) => kept.has(spkiPin)) ? "renewed" : "rotated";
  const { keys, names } = made;
  return {
    ...before,
    ...withVersion(before, { material, keys, names }, { nowMs, cause }),
    plan,
    ...pendingWithout(before, new Set(keys.map(({ spkiPin }) => spkiPin))),
    attempt: undefined,
  };
}

async function keysToUse(
  { vault }: Pick<SelfSigningDependencies, "vault">,
  record: CertificateRecord,
  keepsPresent: boolean,
): Promise<readonly StoredPrivateKey[]> {
  // A renewal with a new key takes the one that was announced, so that its TLSA record is published already.
  const isDue = ({ switchAt }: PendingKey): boolean => switchAt !== null || !keepsPresent;
  const switched = (record.pendingKeys ?? []).filter(isDue);
  const pending = await Promise.all(switched.map((key) => readPendingKey(vault, record.id, key)));
  if (!keepsPresent) return pending;
  const taken = new Set(pending.map(({ keyType }) => keyType));
  const present = await readMaterial(vault, record);
  return [...pending, ...present.keys.filter(({ keyType }) => !taken.has(keyType))];
}

/** The pending keys that are not in service yet. */
export function pendingWithout(
  { pendingKeys = [] }: Pick<CertificateRecord, "pendingKeys">,
  served: ReadonlySet<string>,
): Pick<CertificateRecord, "pendingKeys"> {
  const left = pendingKeys.filter(({ spkiPin }) => !served.has(spkiPin));
  return { pendingKeys: left.length === 0 ? undefined : left };
}
