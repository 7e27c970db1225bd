/** Proof of ownership: the TXT record `_postern.<name>`, looked up and judged. */

import { Unavailable } from "../errors.ts";
import type { DomainName } from "../name/domain-name.ts";
import type { PendingName } from "../record/domain.ts";
import { ownershipName } from "../record/ownership.ts";
import type { ReadTxt } from "./challenge-records.ts";

/** What a look for a TXT record found, where it did not show whose the name is. */
export const CHECK_RESULTS = {
  absent: "there is no TXT record of this name",
  different: "no TXT record of this name has the value",
  "too-large": "the answer has over 100 records or 16 KiB, so it was not read",
  unavailable: "no resolver answered in time",
  "certificate-misses-host":
    "the record is right, and the certificate of the domain's other hosts does not cover the host",
} as const satisfies Readonly<Record<string, string>>;

export type CheckResult = keyof typeof CHECK_RESULTS;
/** Of one lookup. */
export type Proof = "proven" | Exclude<CheckResult, "certificate-misses-host">;

/** Zones with the records of many services have some dozens of a name. */
const MAX_RECORDS = 100;
const MAX_CHARACTERS = 16 * 1024;

/**
 * Judges the TXT records of a name, each with its strings joined (RFC 7208 section 3.3). One must be the
 * value itself: neither case nor blanks are ignored.
 */
function judgeTxt(records: readonly string[], value: string): Proof {
  if (records.length > MAX_RECORDS) return "too-large";
  if (records.reduce((sum, { length }) => sum + length, 0) > MAX_CHARACTERS) return "too-large";
  if (records.includes(value)) return "proven";
  return records.length === 0 ? "absent" : "different";
}

/** Looks for the record of a name. Never throws: without an answer the name stays as it is. */
export async function lookForProof(
  readTxt: ReadTxt,
  { name, value }: Pick<PendingName, "name" | "value">,
): Promise<Proof> {
  try {
    return judgeTxt(await readTxt(ownershipName(name)), value);
  } catch (error) {
    if (error instanceof Unavailable) return "unavailable";
    throw error;
  }
}

/** As `lookForProof`, for several names at once. */
export async function lookForProofs(
  readTxt: ReadTxt,
  names: readonly PendingName[],
): Promise<ReadonlyMap<DomainName, Proof>> {
  return new Map(
    await Promise.all(names.map(async (entry) => [entry.name, await lookForProof(readTxt, entry)] as const)),
  );
}
