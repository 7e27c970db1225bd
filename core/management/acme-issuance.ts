/** Certificates of ACME CAs: ordered, validated, issued and put into service, one step after the other. */

import { timestamp } from "../clock.ts";
import { InvalidInput, NotFound, RuleViolation, Unreadable } from "../errors.ts";
import type { AcmeIssuance, AcmeOrder, CertificateRecord } from "../record/certificate.ts";
import { slotOf } from "../x509/key-type.ts";
import type { StoredPrivateKey } from "../x509/serving-material.ts";
import { readPem } from "../x509/pem.ts";
import { isEarly, parseIssued, serveIssued } from "./acme-installation.ts";
import { accountAt, type AcmeAccountDependencies } from "./acme-accounts.ts";
import {
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeCa,
  type AcmeOrderRequest,
  AcmeProblem,
  type AcmeOrderState,
  renewalId,
} from "./acme-ca.ts";
import {
  answerChallenges,
  type ChallengeDependencies,
  type ChallengeRequest,
  removeChallenges,
  shownRecords,
} from "./acme-challenges.ts";
import { makeKeys, nullIfLost, readMaterial, readPendingKey } from "./certificate-material.ts";
import { planOf } from "./renewal.ts";
import { writeBySchedule } from "./scheduled-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

export interface AcmeIssuanceDependencies
  extends Pick<ServiceDependencies, "store" | "vault" | "clock" | "retry" | "loadAtEdge" | "createCsr">,
    AcmeAccountDependencies,
    ChallengeDependencies {
  readonly vault: ServiceDependencies["vault"];
  readonly clock: ServiceDependencies["clock"];
}

/** A certificate of source `acme`. */
export type AcmeRecord = CertificateRecord & { readonly acme: AcmeIssuance };

/** `waiting` = for the operator's DNS records, or for a CA that still works on it. */
export type Issued = "issued" | "waiting";

/** How long one call waits for a CA to validate or to sign; the next one goes on. */
const POLLED_MS = 60_000;
const FIRST_POLL_MS = 1_000;
const MAX_POLL_MS = 10_000;

/** A step of an order, whose state the CA keeps. */
interface Walk {
  readonly ca: AcmeCa;
  readonly account: AcmeAccount;
  readonly record: AcmeRecord;
  readonly order: AcmeOrder;
}

/** Walks orders at one CA. Each method may be repeated after a crash at any of its steps. */
export class AcmeIssuer {
  readonly #deps: AcmeIssuanceDependencies;
  readonly #ca: AcmeCa;

  constructor(deps: AcmeIssuanceDependencies, ca: AcmeCa) {
    this.#deps = deps;
    this.#ca = ca;
  }

  /**
   * Orders a certificate for a key, and notes the order in the record before anything else happens to it.
   * @throws AcmeProblem, Unavailable
   */
  async order(
    record: AcmeRecord,
    { keyType, spkiPin }: Pick<AcmeOrder, "keyType" | "spkiPin">,
  ): Promise<AcmeRecord> {
    const account = await accountAt(this.#deps, record.acme.directory, this.#ca);
    const names = planOf(record)?.names ?? record.names;
    const { caaIdentities, hasRenewalInfo } = await this.#ca.directory();
    const replaces = hasRenewalInfo ? await replacedBy(this.#deps.vault, record, keyType) : null;
    const { profile } = record.acme;
    const state = await newOrder(this.#ca, account, { names, profile, replaces });
    const startedAt = timestamp(this.#deps.clock.now());
    const order: AcmeOrder = { keyType, spkiPin, url: state.url, startedAt, validation: [] };
    return this.#change(record, (acme) => ({
      ...acme,
      accountUrl: account.url,
      caaIdentity: caaIdentities[0] ?? null,
      orders: [...ordersBeside(acme, account, keyType), order],
    }));
  }

  /**
   * Takes an order as far as it goes now: answers its challenges, has it signed, and puts the certificate
   * into service. @throws AcmeProblem, Unavailable; RuleViolation when it failed for good, and is forgotten
   */
  async advance(record: AcmeRecord, order: AcmeOrder): Promise<Issued> {
    const account = await accountAt(this.#deps, record.acme.directory, this.#ca);
    const walk: Walk = { ca: this.#ca, account, record, order };
    let state = await this.#stateOf(walk);
    if (state.status === "pending") {
      const answered = await this.#answer(walk, state);
      if (!answered) return "waiting";
      state = await this.#until(walk, state, (status) => status !== "pending");
      if (state.status === "pending") return "waiting";
    }
    if (state.status === "ready") state = await this.#finalize(walk, state);
    state = await this.#until(walk, state, (status) => status !== "processing" && status !== "ready");
    switch (state.status) {
      case "valid":
        await this.#install(walk, state);
        return "issued";
      case "invalid":
        throw await this.#failed(walk, state);
      default:
        return "waiting";
    }
  }

  async #stateOf(walk: Walk): Promise<AcmeOrderState> {
    if (walk.record.acme.accountUrl !== walk.account.url) {
      await this.#change(walk.record, (acme) => ({ ...acme, orders: [] }));
      throw failure("the account of the order is gone: it is ordered again by another");
    }
    try {
      return await this.#ca.order(walk.account, walk.order.url);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      await this.#forget(walk);
      throw failure("the CA does not know the order any more: it is ordered again", { cause: error });
    }
  }

  /** @returns false while the operator's records are missing */
  async #answer(walk: Walk, state: AcmeOrderState): Promise<boolean> {
    const { ca, record, order } = walk;
    const authorizations = await authorizationsOf(walk, state);
    const others = authorizations.filter((each) => !isOrdered(record, each));
    if (others.length > 0) {
      await this.#giveUp(walk, state);
      throw notOrdered(others);
    }
    // The order becomes invalid with the first of them; its reason is shown then.
    if (authorizations.some(({ status }) => status !== "pending" && status !== "valid")) return true;
    const request = requestOf(walk);
    // Before anything may fail: the operator needs them.
    const shown = shownRecords(this.#deps, request, authorizations);
    if (JSON.stringify(shown) !== JSON.stringify(order.validation))
      await this.#change(record, ({ orders, ...acme }) => ({
        ...acme,
        orders: orders.map((each) => (each.url === order.url ? { ...each, validation: shown } : each)),
      }));
    return answerChallenges(this.#deps, { ca, ...request }, authorizations);
  }

  /** Polls no sooner than the CA asks; a wait that does not fit is noted, and left to a later sweep. */
  async #until(
    walk: Walk,
    first: AcmeOrderState,
    isDone: (status: AcmeOrderState["status"]) => boolean,
  ): Promise<AcmeOrderState> {
    const { ca, account, order } = walk;
    const { now, sleep } = this.#deps.retry;
    const deadline = now() + POLLED_MS;
    let state = first;
    for (let waitMs = FIRST_POLL_MS; !isDone(state.status) && now() < deadline; waitMs *= 2) {
      const askedMs = state.retryAfterMs ?? 0;
      if (askedMs > deadline - now()) {
        await noteLook(this.#deps, walk, askedMs);
        return state;
      }
      await sleep(Math.max(Math.min(MAX_POLL_MS, waitMs), askedMs));
      state = await ca.order(account, order.url);
    }
    return state;
  }

  async #finalize(walk: Walk, state: AcmeOrderState): Promise<AcmeOrderState> {
    const { ca, account, record } = walk;
    const { privateKeyPem } = await this.#keyOf(walk, state);
    const names = planOf(record)?.names ?? record.names;
    const { der } = await this.#deps.createCsr({ names, privateKeyPem });
    try {
      return await ca.finalize(account, state, der);
    } catch (error) {
      // The next order may have better luck; this one would be refused again.
      if (error instanceof AcmeProblem && FINAL.has(error.type)) await this.#giveUp(walk, state);
      throw error;
    }
  }

  /** What is lost cannot be kept: the slot gets a new key, and its next order is for that one. */
  async #keyOf(walk: Walk, state: AcmeOrderState): Promise<StoredPrivateKey> {
    const { record, order } = walk;
    const key = await keyOfOrder(this.#deps.vault, record, order).catch(nullIfLost);
    if (key !== null) return key;
    await this.#giveUp(walk, state);
    await replaceLostKey(this.#deps, record, order.keyType);
    throw new Unreadable("the key of the order is not in the vault any more: another one is ordered for");
  }

  async #install(walk: Walk, state: AcmeOrderState): Promise<void> {
    const { ca, account, order, record } = walk;
    const key = await this.#keyOf(walk, state);
    if (state.certificate === null) throw failure("the order is valid and names no certificate");
    const certificatePem = await ca.certificate(account, state.certificate);
    const made = await parseIssued(this.#deps, certificatePem, key).catch(async (error: unknown) => {
      // A CA whose clock is ahead: the same certificate will do later.
      if (!isEarly(error) && (error instanceof RuleViolation || error instanceof InvalidInput))
        await this.#giveUp(walk, state);
      throw error;
    });
    await serveIssued(this.#deps, { id: record.id, order, made }).catch(async (error: unknown) => {
      if (error instanceof RuleViolation) await this.#giveUp(walk, state);
      throw error;
    });
    await this.#removeChallenges(walk, state);
  }

  async #removeChallenges(walk: Walk, state: AcmeOrderState): Promise<readonly AcmeAuthorization[]> {
    const authorizations = await authorizationsOf(walk, state).catch(() => []);
    const own = authorizations.filter((each) => isOrdered(walk.record, each));
    await removeChallenges(this.#deps, requestOf(walk), own);
    return authorizations;
  }

  /** The order is forgotten, with what answered its challenges. */
  async #giveUp(walk: Walk, state: AcmeOrderState): Promise<readonly AcmeAuthorization[]> {
    const authorizations = await this.#removeChallenges(walk, state);
    await this.#forget(walk);
    return authorizations;
  }

  /** Why the CA gave the order up, which is forgotten. */
  async #failed(walk: Walk, state: AcmeOrderState): Promise<RuleViolation> {
    const authorizations = await this.#giveUp(walk, state);
    const reasons = authorizations.flatMap(({ name, challenges }) =>
      challenges.flatMap(({ type, problem }) => (problem === null ? [] : `${name}: ${type}: ${problem}`)),
    );
    const all = [...(state.problem === null ? [] : [state.problem]), ...reasons].join("; ");
    return failure(`the CA did not issue it: ${all === "" ? "no reason given" : all}`);
  }

  async #forget({ record, order }: Walk): Promise<void> {
    await this.#change(record, ({ orders, ...acme }) => ({
      ...acme,
      orders: orders.filter(({ url }) => url !== order.url),
    }));
  }

  async #change(record: AcmeRecord, change: (acme: AcmeIssuance) => AcmeIssuance): Promise<AcmeRecord> {
    const written = await writeBySchedule(this.#deps, record.id, (before) =>
      before.acme === undefined ? before : { ...before, acme: change(before.acme) },
    );
    return { ...written, acme: written.acme ?? record.acme };
  }
}

const requestOf = ({ account, record }: Walk): ChallengeRequest => ({
  account,
  type: record.acme.challenge,
});

async function authorizationsOf(
  { ca, account }: Walk,
  state: AcmeOrderState,
): Promise<readonly AcmeAuthorization[]> {
  const found: AcmeAuthorization[] = [];
  for (const url of state.authorizations) found.push(await ca.authorization(account, url));
  return found;
}

/** The CA is not asked before: its time is for this order alone. */
async function noteLook(
  deps: AcmeIssuanceDependencies,
  { record, order: { url } }: Walk,
  askedMs: number,
): Promise<void> {
  const lookAgainAt = timestamp(deps.clock.now() + askedMs);
  await writeBySchedule(deps, record.id, (before) => {
    if (before.acme === undefined) return before;
    const orders = before.acme.orders.map((each) => (each.url === url ? { ...each, lookAgainAt } : each));
    return { ...before, acme: { ...before.acme, orders } };
  });
}

/** A wildcard is proved at its name without `*.` (RFC 8555 section 7.1.4); some CAs do not mark it. */
function isOrdered(record: AcmeRecord, { name, isWildcard }: AcmeAuthorization): boolean {
  const names = planOf(record)?.names ?? record.names;
  return names.includes(`*.${name}`) || (!isWildcard && names.includes(name));
}

/** Names of a refusal that are shown. */
const OTHERS_NAMED = 3;

/** A CA must not have records made, or tokens served, for names that were not ordered. */
function notOrdered(others: readonly AcmeAuthorization[]): RuleViolation {
  const shown = others
    .slice(0, OTHERS_NAMED)
    .map(({ name, isWildcard }) => (isWildcard ? `*.${name}` : name));
  return failure(`the CA asks for a proof of ${shown.join(", ")}, which the order does not name`);
}

/**
 * What an order replaces is advice (RFC 9773 section 5): an order that was lost may have replaced it already,
 * and the CA may have forgotten it.
 */
async function newOrder(
  ca: AcmeCa,
  account: AcmeAccount,
  request: AcmeOrderRequest,
): Promise<AcmeOrderState> {
  try {
    return await ca.newOrder(account, request);
  } catch (error) {
    const isOfReplaced = error instanceof AcmeProblem && OF_REPLACED.has(error.type);
    if (!isOfReplaced || request.replaces === null) throw error;
    return ca.newOrder(account, { ...request, replaces: null });
  }
}

/** Orders of other slots by the same account: those of another account cannot be read by this one. */
const ordersBeside = (
  { orders, accountUrl }: AcmeIssuance,
  { url }: AcmeAccount,
  keyType: AcmeOrder["keyType"],
): readonly AcmeOrder[] =>
  accountUrl === url ? orders.filter((each) => slotOf(each.keyType) !== slotOf(keyType)) : [];

/** @returns null when the record names no such key. @throws Unreadable when the vault has lost it */
async function keyOfOrder(
  vault: AcmeIssuanceDependencies["vault"],
  record: AcmeRecord,
  { spkiPin }: AcmeOrder,
): Promise<StoredPrivateKey | null> {
  const pending = record.pendingKeys?.find((each) => each.spkiPin === spkiPin);
  if (pending !== undefined) return readPendingKey(vault, record.id, pending);
  const served = record.keys.find((each) => each.spkiPin === spkiPin);
  if (served === undefined) return null;
  const { keys } = await readMaterial(vault, record);
  return keys.find(({ keyType }) => keyType === served.keyType) ?? null;
}

/** The slot's next order is for the new key. */
async function replaceLostKey(
  deps: AcmeIssuanceDependencies,
  { id }: AcmeRecord,
  keyType: AcmeOrder["keyType"],
): Promise<void> {
  const made = await makeKeys(deps, { id, keyTypes: [keyType], isSwitched: true, requestedNames: null });
  await writeBySchedule(deps, id, (before) => {
    const others = (before.pendingKeys ?? []).filter((each) => each.keyType !== keyType);
    return { ...before, pendingKeys: [...others, ...made.pendingKeys] };
  });
}

/** Identifier of the certificate that an order renews (RFC 9773 section 4.1); null = none. */
async function replacedBy(
  vault: AcmeIssuanceDependencies["vault"],
  record: AcmeRecord,
  keyType: AcmeOrder["keyType"],
): Promise<string | null> {
  if (!record.keys.some((each) => each.keyType === keyType)) return null;
  const material = await readMaterial(vault, record).catch(nullIfLost);
  const chain = material?.keys.find((each) => each.keyType === keyType)?.certificateChainPem ?? "";
  const leaf = readPem(chain, "").blocks[0]?.text;
  return leaf === undefined ? null : renewalId(leaf);
}

/** Refusals that may be of the certificate that an order replaces. */
const OF_REPLACED: ReadonlySet<string> = new Set(["alreadyReplaced", "malformed", "unauthorized"]);

/** Refusals of a signing request that the same order would meet again. */
const FINAL: ReadonlySet<string> = new Set([
  "badCSR",
  "badPublicKey",
  "rejectedIdentifier",
  "unsupportedIdentifier",
  "caa",
  "unauthorized",
]);

const failure = (message: string, options?: ErrorOptions): RuleViolation => {
  const violation = new RuleViolation([{ pointer: "", code: "issuer-refuses", message }]);
  if (options !== undefined) violation.cause = options.cause;
  return violation;
};
