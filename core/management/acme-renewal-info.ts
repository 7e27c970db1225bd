/** Times of renewal that a CA suggests (ARI, RFC 9773). */

import { timestamp } from "../clock.ts";
import { Unavailable } from "../errors.ts";
import type { RenewalSuggestion } from "../record/certificate.ts";
import type { CertificateKey, KeyType } from "../x509/key-type.ts";
import { readPem } from "../x509/pem.ts";
import { type AcmeCa, AcmeProblem, type AcmeRenewalInfo } from "./acme-ca.ts";
import type { AcmeIssuanceDependencies, AcmeRecord } from "./acme-issuance.ts";
import { nullIfLost, readMaterial } from "./certificate-material.ts";
import { writeBySchedule } from "./scheduled-write.ts";

const HOUR_MS = 3600 * 1000;
const ASKED_AGAIN_MS = 6 * HOUR_MS;
const MAX_PAUSE_MS = 24 * HOUR_MS;

export interface Suggestion {
  readonly askAgainAtMs: number;
  readonly isChanged: boolean;
}

/**
 * Asks the CA for the window of each certificate in service, and stores a random time within it. A time that
 * still lies in the window stays. A CA that does not answer is asked again later.
 */
export async function suggestedRenewal(
  deps: AcmeIssuanceDependencies,
  record: AcmeRecord,
  ca: AcmeCa,
): Promise<Suggestion> {
  const nowMs = deps.clock.now();
  if (record.material === null) return { askAgainAtMs: nowMs + HOUR_MS, isChanged: false };
  const windows = await windowsOf(deps, record, ca);
  if (windows === null) return { askAgainAtMs: nowMs + HOUR_MS, isChanged: false };
  const pauses = [...windows.values()].map(({ retryAfterMs }) => retryAfterMs);
  const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(HOUR_MS, Math.min(ASKED_AGAIN_MS, ...pauses)));
  const askAgainAtMs = nowMs + pauseMs;
  const suggestions = record.keys.flatMap((key) => suggestionFor(key, { record, windows, deps }));
  if (JSON.stringify(suggestions) === JSON.stringify(record.acme.suggestions))
    return { askAgainAtMs, isChanged: false };
  await writeBySchedule(deps, record.id, (before) =>
    before.acme === undefined || before.material?.version !== record.material?.version
      ? before
      : { ...before, acme: { ...before.acme, suggestions } },
  );
  return { askAgainAtMs, isChanged: true };
}

/** By type of key; null = the CA does not answer. */
async function windowsOf(
  deps: AcmeIssuanceDependencies,
  record: AcmeRecord,
  ca: AcmeCa,
): Promise<ReadonlyMap<KeyType, AcmeRenewalInfo> | null> {
  try {
    const windows = new Map<KeyType, AcmeRenewalInfo>();
    if (!(await ca.directory()).hasRenewalInfo) return windows;
    const material = await readMaterial(deps.vault, record).catch(nullIfLost);
    for (const { keyType, certificateChainPem } of material?.keys ?? []) {
      const [leaf] = readPem(certificateChainPem, "").blocks;
      const window = leaf === undefined ? null : await ca.renewalInfo(leaf.text);
      if (window !== null) windows.set(keyType, window);
    }
    return windows;
  } catch (error) {
    if (error instanceof Unavailable || error instanceof AcmeProblem) return null;
    throw error;
  }
}

/** The part of its life after which a certificate is renewed at the latest, whatever the CA suggests. */
const LATEST = 0.9;

/**
 * A time in the window of a certificate (RFC 9773 section 4.2), not after nine tenths of its life: a window
 * that lies beyond the end would let it run out. @returns empty = none is suggested
 */
function suggestionFor(
  { keyType, fingerprintSha256, notBefore, notAfter }: CertificateKey,
  {
    record,
    windows,
    deps,
  }: {
    readonly record: AcmeRecord;
    readonly windows: ReadonlyMap<KeyType, AcmeRenewalInfo>;
    readonly deps: Pick<AcmeIssuanceDependencies, "retry">;
  },
): readonly RenewalSuggestion[] {
  const window = windows.get(keyType);
  if (window === undefined) return [];
  const latestMs = Date.parse(notBefore) + (Date.parse(notAfter) - Date.parse(notBefore)) * LATEST;
  const startMs = Math.min(Date.parse(window.start), latestMs);
  const endMs = Math.max(startMs, Math.min(Date.parse(window.end), latestMs));
  const present = record.acme.suggestions.find((each) => each.fingerprintSha256 === fingerprintSha256);
  const presentMs = present === undefined ? Number.NaN : Date.parse(present.at);
  if (present !== undefined && presentMs >= startMs && presentMs <= endMs) return [present];
  const atMs = Math.floor(startMs + deps.retry.random() * (endMs - startMs));
  return [{ fingerprintSha256, at: timestamp(atMs) }];
}
