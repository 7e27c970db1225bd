/** What is due for a certificate that Postern makes or orders, and how a failure is noted. */

import { z } from "zod";
import { timestamp } from "../clock.ts";
import {
  InvalidInput,
  NotFound,
  RuleViolation,
  StateConflict,
  TooLarge,
  Unavailable,
  Unreadable,
} from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";
import type { AcmeIssuance, AcmeOrder, CertificateRecord, PendingKey } from "../record/certificate.ts";
import type { KeyType } from "../x509/key-type.ts";
import { forgetAccount, replaceDeactivated } from "./acme-accounts.ts";
import { type AcmeCa, type AcmeCas, AcmeProblem, retryAfterOf } from "./acme-ca.ts";
import { type AcmeIssuanceDependencies, AcmeIssuer, type AcmeRecord } from "./acme-issuance.ts";
import { checkNotOthers } from "./owned-names.ts";
import { suggestedRenewal } from "./acme-renewal-info.ts";
import { makeKeys } from "./certificate-material.ts";
import { dueKeys, failedAttempt, mayTry, planOf } from "./renewal.ts";
import { writeBySchedule } from "./scheduled-write.ts";
import { selfSignedRenewal, type SelfSigningDependencies } from "./self-signed-renewal.ts";

export interface IssuanceDependencies extends AcmeIssuanceDependencies, SelfSigningDependencies {
  readonly clock: AcmeIssuanceDependencies["clock"];
  readonly vault: AcmeIssuanceDependencies["vault"];
  readonly cas: AcmeCas;
}

/**
 * What `advance` found. `waiting` = for DNS records, a CA or the next attempt; `busy` = another process works
 * on it.
 */
export type Issuance = "unchanged" | "waiting" | "busy" | "issued" | "gone";

/** A process that was killed holds a certificate up so long. A Lambda function ends within 5 minutes. */
const LEASED_MS = 6 * 60_000;
const LEASE_KEPT_MS = 90 * 24 * 3600 * 1000;

const LEASE = z.object({ leasedUntilMs: z.number(), renewalInfoAtMs: z.number() });
type Lease = z.output<typeof LEASE>;

export const leaseName = (id: CertificateId) => `certificate/${id}` as const;

/** Makes, orders and renews certificates of the sources `self-signed` and `acme`. */
export class CertificateIssuance {
  readonly #deps: IssuanceDependencies;

  constructor(deps: IssuanceDependencies) {
    this.#deps = deps;
  }

  /**
   * Does what is due for one certificate. A failure is noted in the record, with the next attempt, and the
   * version in service stays. @throws the failure, for the log; Unavailable
   */
  async advance(id: CertificateId): Promise<Issuance> {
    const record = await this.#deps.store.getCertificate(id);
    if (record === null) return "gone";
    if (!mayTry(record, this.#deps.clock.now())) return "waiting";
    if (record.acme !== undefined) return this.#leased({ ...record, acme: record.acme });
    if (record.source !== "self-signed" || !this.#isDue(record)) return "unchanged";
    return this.#noting(record, async () => {
      const renewed = selfSignedRenewal(this.#deps);
      const written = await writeBySchedule(this.#deps, id, (before) =>
        this.#isDue(before) ? renewed(before) : before,
      );
      return written.material?.version === record.material?.version ? "unchanged" : "issued";
    });
  }

  #isDue(record: CertificateRecord): boolean {
    return dueKeys(record, this.#deps.clock.now()).length > 0;
  }

  /** One process at a time: two would make two orders. */
  async #leased(record: AcmeRecord): Promise<Issuance> {
    const { state, clock } = this.#deps;
    const name = leaseName(record.id);
    const item = await state.get(name);
    const parsed = LEASE.safeParse(item?.value);
    const before: Lease = parsed.success ? parsed.data : { leasedUntilMs: 0, renewalInfoAtMs: 0 };
    const nowMs = clock.now();
    if (before.leasedUntilMs > nowMs) return "busy";
    if (nowMs < before.renewalInfoAtMs && !isWanted(record, nowMs)) return "unchanged";
    const expiresAtMs = nowMs + LEASE_KEPT_MS;
    const taken = { ...before, leasedUntilMs: nowMs + LEASED_MS };
    const version = await state.put(name, taken, { expected: item?.version ?? null, expiresAtMs });
    if (version === null) return "busy";
    let renewalInfoAtMs = before.renewalInfoAtMs;
    try {
      return await this.#noting(record, async () => {
        // Read again: what was read before the lease may have been done by now.
        const present = await this.#deps.store.getCertificate(record.id);
        if (present?.acme === undefined) return "gone";
        const leased = { ...present, acme: present.acme };
        if (isWanted(leased, nowMs)) return this.#issue(leased);
        const suggestion = await suggestedRenewal(this.#deps, leased, this.#caOf(leased));
        renewalInfoAtMs = suggestion.askAgainAtMs;
        return suggestion.isChanged ? "waiting" : "unchanged";
      });
    } finally {
      const released = { leasedUntilMs: 0, renewalInfoAtMs };
      // A lease that cannot be released ends by itself; what was done is done.
      await state.put(name, released, { expected: version, expiresAtMs }).catch(() => null);
    }
  }

  /**
   * Each slot by itself: its own key, order and version. A failure of one must not let the other expire.
   * @throws the first failure
   */
  async #issue(first: AcmeRecord): Promise<Issuance> {
    const issuer = new AcmeIssuer(this.#deps, this.#caOf(first));
    const outcomes: Issuance[] = [];
    const failures: unknown[] = [];
    for (const keyType of planOf(first)?.keyTypes ?? []) {
      const record = await this.#deps.store.getCertificate(first.id);
      if (record?.acme === undefined) return "gone";
      try {
        outcomes.push(await this.#issueSlot(issuer, { ...record, acme: record.acme }, keyType));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    await writeBySchedule(this.#deps, first.id, (before) =>
      before.attempt === undefined ? before : { ...before, attempt: undefined },
    );
    return OUTCOMES.find((each) => outcomes.includes(each)) ?? "unchanged";
  }

  async #issueSlot(issuer: AcmeIssuer, present: AcmeRecord, keyType: KeyType): Promise<Issuance> {
    const wanted = wantedOf(present, keyType, this.#deps.clock.now());
    if (wanted === null) return "unchanged";
    let record = wanted === "new-key" ? await this.#withNewKey(present, keyType) : present;
    if (orderOf(record, keyType) === undefined) record = await this.#ordered(issuer, record, keyType);
    const order = orderOf(record, keyType);
    if (order === undefined) return "unchanged";
    return isTooEarly(order, this.#deps.clock.now()) ? "waiting" : issuer.advance(record, order);
  }

  async #ordered(issuer: AcmeIssuer, record: AcmeRecord, keyType: KeyType): Promise<AcmeRecord> {
    const key = keyToOrder(record, keyType);
    if (key === null) throw new Unreadable("there is no key to order a certificate for");
    await checkNotOthers(this.#deps.store, record.account, planOf(record)?.names ?? record.names);
    return issuer.order(record, key);
  }

  /** The key that was announced, if there is one: its TLSA record is published already. */
  async #withNewKey(record: AcmeRecord, keyType: KeyType): Promise<AcmeRecord> {
    const { id, pendingKeys = [] } = record;
    const isOfType = (key: PendingKey): boolean => key.keyType === keyType;
    const made = pendingKeys.some(isOfType)
      ? []
      : (await makeKeys(this.#deps, { id, keyTypes: [keyType], isSwitched: true, requestedNames: null }))
          .pendingKeys;
    const switchAt = timestamp(this.#deps.clock.now());
    const written = await writeBySchedule(this.#deps, id, (before) => {
      const present = (before.pendingKeys ?? []).map((key) =>
        isOfType(key) ? { ...key, switchAt: key.switchAt ?? switchAt } : key,
      );
      return { ...before, pendingKeys: [...present, ...(present.some(isOfType) ? [] : made)] };
    });
    return { ...written, acme: written.acme ?? record.acme };
  }

  #caOf({ acme }: AcmeRecord): AcmeCa {
    const ca = this.#deps.cas.ca(acme.directory);
    if (ca !== null) return ca;
    const message = `ACME_DIRECTORIES has no directory ${acme.directory}`;
    throw new RuleViolation([{ pointer: "/directory", code: "unknown-directory", message }]);
  }

  /** @throws what `work` throws, once it is noted */
  async #noting(record: CertificateRecord, work: () => Promise<Issuance>): Promise<Issuance> {
    try {
      return await work();
    } catch (error) {
      // The process stops in the middle of an order, which goes on with the next one: no failure.
      if (error instanceof Error && error.name === "AbortError") return "waiting";
      if (error instanceof StateConflict && (await this.#isGone(record))) return "gone";
      await this.#note(record, error);
      throw error;
    }
  }

  async #isGone({ id }: CertificateRecord): Promise<boolean> {
    return (await this.#deps.store.getCertificate(id).catch(() => undefined)) === null;
  }

  async #note({ id, acme }: CertificateRecord, error: unknown): Promise<void> {
    const isUnknown = error instanceof AcmeProblem && error.type === "accountDoesNotExist";
    if (isUnknown && acme !== undefined) await forgetAccount(this.#deps.state, acme.directory);
    const isRefused = error instanceof AcmeProblem && error.type === "unauthorized";
    const deactivated = isRefused && acme !== undefined ? await this.#replaceDeactivated(acme) : null;
    const failed = {
      nowMs: this.#deps.clock.now(),
      problem: deactivated === null ? problemOf(error) : deactivatedText(problemOf(error), deactivated),
      retryAfterMs: retryAfterOf(error),
    };
    const noted = writeBySchedule(this.#deps, id, (before) => ({
      ...before,
      // Orders of an account that is gone cannot be read by another.
      ...((isUnknown || deactivated !== null) && before.acme !== undefined
        ? { acme: { ...before.acme, orders: [] } }
        : {}),
      attempt: failedAttempt(before.attempt, failed),
    }));
    // Deleted meanwhile, or the store is away: the failure itself is what the log needs.
    await noted.catch(() => undefined);
  }

  /** null = the account is as it was, or the CA does not say now. */
  async #replaceDeactivated({ directory }: AcmeIssuance): Promise<string | null> {
    const ca = this.#deps.cas.ca(directory);
    return ca === null ? null : replaceDeactivated(this.#deps, directory, ca).catch(() => null);
  }
}

const deactivatedText = (problem: string, url: string): string =>
  `${problem}; the CA has deactivated the account ${url}: the next attempt makes a new one, whose URI belongs into CAA records with accounturi`;

/** What came of several slots, by what the log should know first. */
const OUTCOMES: readonly Issuance[] = ["gone", "waiting", "issued"];

const isWanted = (record: AcmeRecord, nowMs: number): boolean =>
  (planOf(record)?.keyTypes ?? []).some((keyType) => wantedOf(record, keyType, nowMs) !== null);

/** What a slot needs: an order (with which key, says `keyToOrder`), a new key first, or nothing. */
function wantedOf(record: AcmeRecord, keyType: KeyType, nowMs: number): "order" | "new-key" | null {
  if (orderOf(record, keyType) !== undefined) return "order";
  const isSame = (each: { readonly keyType: KeyType }): boolean => each.keyType === keyType;
  if (record.pendingKeys?.some((key) => isSame(key) && key.switchAt !== null) === true) return "order";
  if (!record.keys.some(isSame)) return "new-key";
  if (!dueKeys(record, nowMs).some(isSame)) return null;
  return planOf(record)?.renewalKey === "new" ? "new-key" : "order";
}

const isTooEarly = ({ lookAgainAt }: AcmeOrder, nowMs: number): boolean =>
  lookAgainAt !== undefined && nowMs < Date.parse(lookAgainAt);

const orderOf = ({ acme }: AcmeRecord, keyType: KeyType): AcmeOrder | undefined =>
  acme.orders.find((each) => each.keyType === keyType);

/** A key whose switch was requested comes before the one in service. */
function keyToOrder(
  { pendingKeys = [], keys }: AcmeRecord,
  keyType: KeyType,
): Pick<AcmeOrder, "keyType" | "spkiPin"> | null {
  const switched = pendingKeys.find((key) => key.keyType === keyType && key.switchAt !== null);
  return switched ?? keys.find((key) => key.keyType === keyType) ?? null;
}

/** Errors whose message may be shown to the operator. */
const SHOWN = [
  AcmeProblem,
  NotFound,
  RuleViolation,
  StateConflict,
  TooLarge,
  Unavailable,
  Unreadable,
] as const;

function problemOf(error: unknown): string {
  if (error instanceof InvalidInput)
    return [error.message, ...error.issues.map(({ message }) => message)].join("; ");
  if (error instanceof Error && SHOWN.some((kind) => error instanceof kind)) return error.message;
  return `an internal error (${error instanceof Error ? error.name : typeof error}): the log has it`;
}
