/** Versions of a certificate: the one in service, those before it, and a timeline of both. */

import { type Timestamp, timestamp } from "../clock.ts";
import type { TimelineEvent } from "./expiry.ts";
import type {
  CertificateRecord,
  MaterialReference,
  RetiredVersion,
  VersionCause,
} from "../record/certificate.ts";
import type { CertificateKey } from "../x509/key-type.ts";
import { planOf, renewsAt } from "./renewal.ts";

/** Material of a retired version is kept so long, for a rollback. */
const RETIRED_KEPT_MS = 30 * 24 * 3600 * 1000;

/** A 6-day certificate has 8 versions in 30 days, with two keys 16. */
const RETIRED_SHOWN = 30;

/** What puts a version into service. */
export interface NewVersion {
  readonly material: MaterialReference;
  readonly keys: readonly CertificateKey[];
  readonly names: readonly string[];
}

/** What retires the version in service. */
type Retiring = Pick<CertificateRecord, "material" | "keys" | "retired" | "source" | "plan">;

/** The fields of a record that change when a version takes the place of the one in service. */
export function withVersion(
  before: Retiring,
  { material, keys, names }: NewVersion,
  { nowMs, cause }: { readonly nowMs: number; readonly cause: VersionCause },
): Pick<CertificateRecord, "material" | "keys" | "names" | "retired"> {
  const added = { ...material, addedAt: timestamp(nowMs), cause };
  return { material: added, keys, names, ...retiredAfter(before, { nowMs, retiredBy: "replaced" }) };
}

/** As `withVersion`, back to a retired version, with the source and the plan that it had. */
export function withRetiredVersion(
  before: CertificateRecord,
  { keys, retiredAt: _at, retiredBy: _by, source = before.source, plan, ...material }: RetiredVersion,
  { nowMs, names }: { readonly nowMs: number; readonly names: readonly string[] },
): CertificateRecord {
  const others = (before.retired ?? []).filter(({ version }) => version !== material.version);
  const retired = retiredAfter({ ...before, retired: others }, { nowMs, retiredBy: "rolled-back" });
  const back = { ...before, material, keys, names, ...retired };
  if (source === before.source) return back;
  return {
    ...back,
    source,
    plan,
    pendingKeys: undefined,
    requests: source === "request" ? [] : undefined,
    attempt: undefined,
  };
}

function retiredAfter(
  before: Retiring,
  { nowMs, retiredBy }: { readonly nowMs: number; readonly retiredBy: RetiredVersion["retiredBy"] },
): Pick<CertificateRecord, "retired"> {
  const { material, keys, retired = [], source } = before;
  if (material === null) return retired.length === 0 ? {} : { retired };
  const retiredAt = timestamp(nowMs);
  const last: RetiredVersion = { ...material, keys, retiredAt, retiredBy, source, ...planToKeep(before) };
  return { retired: [last, ...retired].slice(0, RETIRED_SHOWN) };
}

/** Of the sources that an upload can end. */
function planToKeep(before: Pick<Retiring, "source" | "plan" | "keys">): Pick<RetiredVersion, "plan"> {
  if (before.source !== "self-signed" && before.source !== "request") return {};
  const planned = planOf(before);
  if (planned === null) return {};
  const { names: _, ...plan } = planned;
  return { plan };
}

/** Whether the vault still has the material of a retired version, or may have deleted it. */
export const isKept = ({ retiredAt }: RetiredVersion, nowMs: number): boolean =>
  Date.parse(retiredAt) + RETIRED_KEPT_MS > nowMs;

/** One entry of `timeline`, past or to come. */
export interface TimelineEntry {
  readonly at: Timestamp;
  readonly event: TimelineEvent;
  /** The version that the event is about; absent = none. */
  readonly version?: number | undefined;
  /** For people; absent = nothing to add. */
  readonly detail?: string | undefined;
}

/** What happened to a certificate and what comes next, by time. */
export function timelineOf(record: CertificateRecord, expiresAt: Timestamp | null): readonly TimelineEntry[] {
  const { material, retired = [], pendingKeys = [], acme, attempt, createdAt } = record;
  const entries: (TimelineEntry | null)[] = [
    { at: createdAt, event: "created" },
    ...[material ?? [], retired].flat().map(added),
    ...retired.map(({ version, retiredAt, retiredBy }) => ({
      at: retiredAt,
      event: "version-retired" as const,
      version,
      detail: retiredBy,
    })),
    ...pendingKeys.map(({ madeAt, spkiPin }) => dated(madeAt, "next-key-made", spkiPin)),
    ...pendingKeys.map(({ switchAt, spkiPin }) => dated(switchAt, "switch-requested", spkiPin)),
    ...(acme?.orders ?? []).map(({ startedAt, keyType }) => dated(startedAt, "order-placed", keyType)),
    ...(acme?.orders ?? []).map(({ lookAgainAt, keyType }) =>
      dated(lookAgainAt ?? null, "next-attempt", keyType),
    ),
    attempt === undefined ? null : dated(attempt.at, "attempt-failed", attempt.problem),
    attempt === undefined ? null : dated(attempt.nextAt, "next-attempt"),
    dated(renewsAt(record), "renews"),
    dated(expiresAt, "expires"),
  ];
  return entries.filter((entry) => entry !== null).toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

const dated = (at: Timestamp | null, event: TimelineEvent, detail?: string): TimelineEntry | null =>
  at === null ? null : { at, event, ...(detail === undefined ? {} : { detail }) };

const added = ({ version, addedAt, cause }: MaterialReference): TimelineEntry | null =>
  addedAt === undefined ? null : { at: addedAt, event: "version-added", version, detail: cause };
