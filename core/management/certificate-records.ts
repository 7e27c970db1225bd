/** Records of certificates for the services of the API: how they are found, begun and shown. */

import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { type CertificateId, isCertificateId } from "../name/ids.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { Every } from "../same-fields.ts";
import type { Store } from "../store/store.ts";
import type { NewCertificate } from "../x509/serving-material.ts";
import { certificateUsedBy, certificateView, type CertificateView } from "./certificate-view.ts";
import type { RecordAccess } from "./record-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

export const certificatesIn = (
  store: Pick<Store, "getCertificate">,
): RecordAccess<CertificateId, CertificateRecord> => ({
  kind: "certificate",
  isId: isCertificateId,
  get: (id) => store.getCertificate(id),
  change: (id, before, after) => ({ kind: "certificate", id, before, after }),
});

export type NewRecord = Pick<
  CertificateRecord,
  | ("id" | "label" | "labels" | "source" | "names" | "keys" | "material")
  | ("acm" | "acme" | "plan" | "pendingKeys" | "requests")
>;

/** A certificate as its first write stores it; the store sets its revision. */
export function newCertificate(
  { account, name }: Actor,
  nowMs: number,
  { id, label, labels, source, names, keys, material, acm, acme, plan, pendingKeys, requests }: NewRecord,
): CertificateRecord {
  const at = timestamp(nowMs);
  return {
    id,
    account,
    label,
    labels,
    source,
    names,
    keys,
    material,
    acm,
    acme,
    plan,
    retired: undefined,
    pendingKeys,
    requests,
    attempt: undefined,
    revision: 0,
    createdAt: at,
    updatedAt: at,
    updatedBy: name,
  } satisfies Every<CertificateRecord>;
}

/** The record as its callers see it. @throws Unavailable */
export async function viewOf(
  { store, clock }: Pick<ServiceDependencies, "store" | "clock">,
  record: CertificateRecord,
): Promise<CertificateView> {
  return certificateView(record, await certificateUsedBy(store, record), clock.now());
}

export const withLeftOut = (view: CertificateView, { leftOut }: NewCertificate): CertificateView =>
  leftOut === undefined ? view : { ...view, leftOut };
