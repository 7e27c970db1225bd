/** Times of renewal that a CA suggests (ARI, RFC 9773). */

import { timestamp } from "../clock.ts";
import { Unavailable } from "../errors.ts";
import { readPem } from "../x509/pem.ts";
import { type AcmeCa, AcmeProblem, type AcmeRenewalInfo } from "./acme-ca.ts";
import type { AcmeIssuanceDependencies, AcmeRecord } from "./acme-issuance.ts";
import { readMaterial } from "./certificate-material.ts";
import { writeBySchedule } from "./scheduled-write.ts";

const HOUR_MS = 3600 * 1000;
const ASKED_AGAIN_MS = 6 * HOUR_MS;
const MAX_PAUSE_MS = 24 * HOUR_MS;

export interface Suggestion {
  readonly askAgainAtMs: number;
  readonly isChanged: boolean;
}

/**
 * Asks the CA for the window of each certificate in service, and stores a random time of the first one. A
 * time that still lies in the window stays. A CA that does not answer is asked again later.
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
  const pauses = windows.map(({ retryAfterMs }) => retryAfterMs);
  const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(HOUR_MS, Math.min(ASKED_AGAIN_MS, ...pauses)));
  const askAgainAtMs = nowMs + pauseMs;
  const renewsAt = renewalWithin(windows, { record, random: deps.retry.random });
  if (renewsAt === record.acme.renewsAt) return { askAgainAtMs, isChanged: false };
  await writeBySchedule(deps, record.id, (before) =>
    before.acme === undefined || before.material?.version !== record.material?.version
      ? before
      : { ...before, acme: { ...before.acme, renewsAt } },
  );
  return { askAgainAtMs, isChanged: true };
}

/** null = the CA does not answer. */
async function windowsOf(
  deps: AcmeIssuanceDependencies,
  record: AcmeRecord,
  ca: AcmeCa,
): Promise<readonly AcmeRenewalInfo[] | null> {
  try {
    if (!(await ca.directory()).hasRenewalInfo) return [];
    const { keys } = await readMaterial(deps.vault, record);
    const leaves = keys.flatMap(
      ({ certificateChainPem }) => readPem(certificateChainPem, "").blocks[0] ?? [],
    );
    const windows = await Promise.all(leaves.map(({ text }) => ca.renewalInfo(text)));
    return windows.filter((window) => window !== null);
  } catch (error) {
    if (error instanceof Unavailable || error instanceof AcmeProblem) return null;
    throw error;
  }
}

/** The part of its life that a certificate is served at least, whatever the CA suggests. */
const LATEST = 0.9;

/**
 * A time in the earliest window (RFC 9773 section 4.2), not after nine tenths of the life: a window that lies
 * beyond the end would let the certificate run out. @returns null = none is suggested
 */
function renewalWithin(
  windows: readonly AcmeRenewalInfo[],
  { record, random }: { readonly record: Pick<AcmeRecord, "keys" | "acme">; readonly random: () => number },
): string | null {
  const [first] = windows.toSorted((a, b) => Date.parse(a.start) - Date.parse(b.start));
  if (first === undefined) return null;
  const latestMs = Math.min(
    ...record.keys.map(({ notBefore, notAfter }) => {
      const startMs = Date.parse(notBefore);
      return startMs + (Date.parse(notAfter) - startMs) * LATEST;
    }),
  );
  const startMs = Math.min(Date.parse(first.start), latestMs);
  const endMs = Math.max(startMs, Math.min(Date.parse(first.end), latestMs));
  const present = record.acme.renewsAt === null ? Number.NaN : Date.parse(record.acme.renewsAt);
  if (present >= startMs && present <= endMs) return record.acme.renewsAt;
  return timestamp(Math.floor(startMs + random() * (endMs - startMs)));
}
