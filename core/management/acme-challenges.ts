/** Challenges of an order (RFC 8555 section 8): answered by a publisher or by http-01, or shown. */

import { RuleViolation, Unavailable } from "../errors.ts";
import type { AcmeChallengeType, ValidationRecord } from "../record/certificate.ts";
import {
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeCa,
  type AcmeChallenge,
  dnsChallengeValue,
  keyAuthorization,
} from "./acme-ca.ts";
import { challengeName, type ReadTxt } from "./challenge-records.ts";
import { type OpenChallengeDependencies, publishChallenge, withdrawChallenge } from "./open-challenges.ts";

export interface ChallengeDependencies extends OpenChallengeDependencies {
  readonly readTxt: ReadTxt;
}

/** CAs forget an authorization that is pending after 7 days at most. */
const TOKEN_KEPT_MS = 7 * 24 * 3600 * 1000;

/** Names whose proofs are published at once: Route 53 takes a minute, and 5 requests a second. */
const NAMES_AT_ONCE = 10;

/** Who asks for which kind of proof. */
export interface ChallengeRequest {
  readonly account: AcmeAccount;
  readonly type: AcmeChallengeType;
}

/** One name that the CA has not validated yet. */
interface PendingName {
  /** Without `*.`. */
  readonly name: string;
  readonly challenge: AcmeChallenge & { readonly token: string };
  readonly authorization: string;
}

/** @throws RuleViolation when the CA offers no such challenge for a name */
function pendingNames(
  authorizations: readonly AcmeAuthorization[],
  request: ChallengeRequest,
): readonly PendingName[] {
  return authorizations
    .filter(({ status }) => status === "pending")
    .map((each) => pendingName(each, request));
}

function pendingName(
  { name, challenges }: AcmeAuthorization,
  { type, account }: ChallengeRequest,
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

/** Records that the operator is to publish for pending authorizations. @throws RuleViolation as below */
export function shownRecords(
  { records }: Pick<ChallengeDependencies, "records">,
  request: ChallengeRequest,
  authorizations: readonly AcmeAuthorization[],
): readonly ValidationRecord[] {
  if (request.type !== "dns-01") return [];
  const shown = pendingNames(authorizations, request).filter(({ name }) => !records.publishes(name));
  return [...Map.groupBy(shown, ({ name }) => name).values()].flat().map(({ name, authorization }) => ({
    type: "TXT",
    domain: name,
    name: challengeName(name),
    value: dnsChallengeValue(authorization),
  }));
}

/**
 * Answers each pending authorization as far as its proof can be seen by the CA, and asks the CA to validate
 * it. A name that fails does not hold the others up.
 *
 * @returns whether all are answered. @throws RuleViolation when the CA offers no such challenge, or a
 *   publisher refuses a record; Unavailable
 */
export async function answerChallenges(
  deps: ChallengeDependencies,
  { ca, ...request }: ChallengeRequest & { readonly ca: AcmeCa },
  authorizations: readonly AcmeAuthorization[],
): Promise<boolean> {
  const byName = [...Map.groupBy(pendingNames(authorizations, request), ({ name }) => name)];
  const failures: unknown[] = [];
  let isWhole = true;
  for (let from = 0; from < byName.length; from += NAMES_AT_ONCE) {
    const some = byName.slice(from, from + NAMES_AT_ONCE);
    const answers = await Promise.allSettled(
      some.map(([name, proofs]) =>
        request.type === "dns-01" ? answerByDns(deps, name, proofs) : answerByHttp(deps, proofs),
      ),
    );
    failures.push(...answers.flatMap((each) => (each.status === "rejected" ? [each.reason] : [])));
    const answered = answers.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
    isWhole &&= answered.length === some.flatMap(([, proofs]) => proofs).length;
    // Before the next names: what is validated is not published again by the next sweep.
    for (const { challenge } of answered)
      if (challenge.status === "pending") await ca.accept(request.account, challenge.url);
  }
  if (failures.length > 0) throw failures[0];
  return isWhole;
}

/** A name and its wildcard have one record set with a value each. @returns those that resolvers show */
async function answerByDns(
  deps: ChallengeDependencies,
  name: string,
  proofs: readonly PendingName[],
): Promise<readonly PendingName[]> {
  const valueOf = ({ authorization }: PendingName): string => dnsChallengeValue(authorization);
  if (deps.records.publishes(name)) {
    await publishChallenge(deps, name, proofs.map(valueOf));
    return proofs;
  }
  const visible = new Set(await visibleValues(deps.readTxt, name));
  return proofs.filter((each) => visible.has(valueOf(each)));
}

/** A name that resolvers cannot look up, not delegated yet, say, shows nothing. */
async function visibleValues(readTxt: ReadTxt, name: string): Promise<readonly string[]> {
  try {
    return await readTxt(challengeName(name));
  } catch (error) {
    if (error instanceof Unavailable) return [];
    throw error;
  }
}

async function answerByHttp(
  { state, clock }: ChallengeDependencies,
  proofs: readonly PendingName[],
): Promise<readonly PendingName[]> {
  for (const { challenge, authorization } of proofs) {
    const item = await state.get(`token/${challenge.token}`);
    const expiresAtMs = clock.now() + TOKEN_KEPT_MS;
    const value = { keyAuthorization: authorization };
    await state.put(`token/${challenge.token}`, value, { expected: item?.version ?? null, expiresAtMs });
  }
  return proofs;
}

/**
 * Removes what answered the challenges of this type, and nothing of another order. Never rejects: what is
 * left over harms no later order.
 */
export async function removeChallenges(
  deps: ChallengeDependencies,
  { account, type }: ChallengeRequest,
  authorizations: readonly AcmeAuthorization[],
): Promise<void> {
  const proofs = authorizations.flatMap(({ name, challenges }) =>
    challenges.flatMap((each) =>
      each.type === type && each.token !== null ? [{ name, token: each.token }] : [],
    ),
  );
  if (type === "http-01") {
    await Promise.allSettled(proofs.map(({ token }) => deps.state.delete(`token/${token}`)));
    return;
  }
  const published = proofs.filter(({ name }) => deps.records.publishes(name));
  const byName = [...Map.groupBy(published, ({ name }) => name)];
  const valueOf = (token: string): string =>
    dnsChallengeValue(keyAuthorization(token, account.privateKeyPem));
  for (let from = 0; from < byName.length; from += NAMES_AT_ONCE) {
    const removals = byName.slice(from, from + NAMES_AT_ONCE).map(([name, own]) =>
      withdrawChallenge(
        deps,
        name,
        own.map(({ token }) => valueOf(token)),
      ),
    );
    await Promise.allSettled(removals);
  }
}
