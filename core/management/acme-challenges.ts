/** Challenges of an order (RFC 8555 section 8): answered by a publisher or by http-01, or shown. */

import { RuleViolation } from "../errors.ts";
import type { AcmeChallengeType, ValidationRecord } from "../record/certificate.ts";
import type { IssuanceState } from "../store/issuance-state.ts";
import {
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeCa,
  type AcmeChallenge,
  dnsChallengeValue,
  keyAuthorization,
} from "./acme-ca.ts";
import { challengeName, type ChallengeRecords, type ReadTxt } from "./challenge-records.ts";

export interface ChallengeDependencies {
  readonly state: IssuanceState;
  readonly records: ChallengeRecords;
  readonly readTxt: ReadTxt;
  readonly clock: { now(): number };
}

/** CAs forget an authorization that is pending after 7 days at most. */
const TOKEN_KEPT_MS = 7 * 24 * 3600 * 1000;

/** One name that the CA has not validated yet. */
interface PendingName {
  /** Without `*.`. */
  readonly name: string;
  readonly challenge: AcmeChallenge & { readonly token: string };
  readonly authorization: string;
}

export interface AnsweredChallenges {
  /** Records that the operator is to publish, and that resolvers do not show yet; empty = all is answered. */
  readonly missing: readonly ValidationRecord[];
  /** All records that the operator is to publish. */
  readonly shown: readonly ValidationRecord[];
}

/**
 * Answers each pending authorization as far as its proof can be seen by the CA, and asks the CA to validate
 * it. @throws RuleViolation when the CA offers no such challenge, or a publisher refuses a record;
 * Unavailable
 */
export async function answerChallenges(
  deps: ChallengeDependencies,
  {
    ca,
    account,
    type,
  }: { readonly ca: AcmeCa; readonly account: AcmeAccount; readonly type: AcmeChallengeType },
  authorizations: readonly AcmeAuthorization[],
): Promise<AnsweredChallenges> {
  const pending = authorizations
    .filter(({ status }) => status === "pending")
    .map((each) => pendingName(each, { type, account }));
  const missing: ValidationRecord[] = [];
  const shown: ValidationRecord[] = [];
  for (const [name, proofs] of Map.groupBy(pending, (each) => each.name)) {
    const answer = type === "dns-01" ? await showDns(deps, name, proofs) : await serveHttp(deps, proofs);
    shown.push(...answer.shown);
    for (const { challenge, authorization } of proofs) {
      const record = answer.missing.get(authorization);
      if (record !== undefined) missing.push(record);
      else if (challenge.status === "pending") await ca.accept(account, challenge.url);
    }
  }
  return { missing, shown };
}

function pendingName(
  { name, challenges }: AcmeAuthorization,
  { type, account }: { readonly type: AcmeChallengeType; readonly account: AcmeAccount },
): PendingName {
  const found = challenges.find((each) => each.type === type);
  if (found === undefined || found.token === null) {
    const offered = challenges.map((each) => each.type).join(", ");
    const message = `the CA offers no ${type} for ${name}, only: ${offered || "nothing"}`;
    throw new RuleViolation([{ pointer: "/challenge", code: "challenge-refused", message }]);
  }
  const authorization = keyAuthorization(found.token, account.privateKeyPem);
  return { name, challenge: { ...found, token: found.token }, authorization };
}

interface Answer {
  readonly shown: readonly ValidationRecord[];
  /** By key authorization. */
  readonly missing: ReadonlyMap<string, ValidationRecord>;
}

/** A name and its wildcard have one record set with a value each. */
async function showDns(
  { records, readTxt }: ChallengeDependencies,
  name: string,
  proofs: readonly PendingName[],
): Promise<Answer> {
  const values = new Map(
    proofs.map(({ authorization }) => [authorization, dnsChallengeValue(authorization)]),
  );
  if (records.publishes(name)) {
    await records.put(name, [...values.values()]);
    return { shown: [], missing: new Map() };
  }
  const visible = new Set(await readTxt(challengeName(name)));
  const recordOf = (value: string): ValidationRecord => ({
    type: "TXT",
    domain: name,
    name: challengeName(name),
    value,
  });
  const missing = [...values].filter(([, value]) => !visible.has(value));
  return {
    shown: [...values.values()].map(recordOf),
    missing: new Map(missing.map(([authorization, value]) => [authorization, recordOf(value)])),
  };
}

async function serveHttp(
  { state, clock }: ChallengeDependencies,
  proofs: readonly PendingName[],
): Promise<Answer> {
  for (const { challenge, authorization } of proofs) {
    const item = await state.get(`token/${challenge.token}`);
    const expiresAtMs = clock.now() + TOKEN_KEPT_MS;
    const value = { keyAuthorization: authorization };
    await state.put(`token/${challenge.token}`, value, { expected: item?.version ?? null, expiresAtMs });
  }
  return { shown: [], missing: new Map() };
}

/** Removes what answered the challenges. Never rejects: what is left over harms no later order. */
export async function removeChallenges(
  { state, records }: ChallengeDependencies,
  authorizations: readonly AcmeAuthorization[],
): Promise<void> {
  const names = new Set(authorizations.map(({ name }) => name));
  const tokens = authorizations.flatMap(({ challenges }) => challenges.flatMap(({ token }) => token ?? []));
  const removals = [
    ...[...names].filter((name) => records.publishes(name)).map((name) => records.delete(name)),
    ...tokens.map((token) => state.delete(`token/${token}`)),
  ];
  await Promise.allSettled(removals);
}
