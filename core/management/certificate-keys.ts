/** Keys of a certificate that Postern makes: the next one, the switch to it, and renewal on request. */

import { timestamp } from "../clock.ts";
import { RuleViolation } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import type { CertificateId } from "../name/ids.ts";
import type { CertificateRecord, PendingKey } from "../record/certificate.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { slotOf } from "../x509/key-type.ts";
import { makeKeys } from "./certificate-material.ts";
import { certificatesIn, viewOf } from "./certificate-records.ts";
import type { CertificateView } from "./certificate-view.ts";
import { madeOnce } from "./made-once.ts";
import { OwnRecords, readable, type RecordTarget } from "./record-write.ts";
import { planOf, type RenewedBy, renewedBy } from "./renewal.ts";
import { selfSignedRenewal } from "./self-signed-renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

type Change = (before: CertificateRecord) => CertificateRecord | Promise<CertificateRecord>;

/** Next keys, rotation and renewal for one caller at a time. A certificate of another account is absent. */
export class CertificateKeys {
  readonly #deps: ServiceDependencies;
  readonly #records: OwnRecords<CertificateId, CertificateRecord>;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
    this.#records = new OwnRecords(deps, certificatesIn(deps.store));
  }

  /**
   * Makes a next key for each slot that has none, to be announced (TLSA, pins) before the switch; those that
   * are there stay. @throws RuleViolation where the operator makes the key; NotFound; as the condition
   */
  async makeNext(target: RecordTarget, condition: WriteCondition): Promise<CertificateView> {
    const once = madeOnce<Awaited<ReturnType<typeof makeKeys>>>();
    return this.#change(target, condition, async (before) => {
      const plan = planOf(before);
      if (plan === null) throw notMadeHere();
      const { pendingKeys = [], requests } = before;
      const has = new Set(pendingKeys.map(({ keyType }) => slotOf(keyType)));
      const missing = plan.keyTypes.filter((keyType) => !has.has(slotOf(keyType)));
      if (missing.length === 0) return before;
      const requestedNames = requests === undefined ? null : (plan.names ?? before.names);
      const wanted = missing.map((keyType) => ({
        id: before.id,
        keyTypes: [keyType],
        requestedNames,
        isSwitched: false,
      }));
      const made = await Promise.all(wanted.map((key) => once(key, () => makeKeys(this.#deps, key))));
      const madeRequests = made.flatMap((each) => each.requests);
      return {
        ...before,
        pendingKeys: [...pendingKeys, ...made.flatMap((each) => each.pendingKeys)],
        ...(requests === undefined ? {} : { requests: [...requests, ...madeRequests] }),
      };
    });
  }

  /**
   * Deletes next keys, a switch that was requested included where a version is in service without them: a CA
   * that refuses a key must not stop the renewal of the present one. @throws as `makeNext`
   */
  async discardNext(target: RecordTarget, condition: WriteCondition): Promise<CertificateView> {
    return this.#change(target, condition, (before) => {
      const { pendingKeys = [], requests, material, acme } = before;
      const isFree = ({ switchAt }: PendingKey): boolean => switchAt === null || material !== null;
      const gone = new Set(pendingKeys.filter(isFree).map(({ spkiPin }) => spkiPin));
      if (gone.size === 0) return before;
      const isLeft = ({ spkiPin }: { readonly spkiPin: string }): boolean => !gone.has(spkiPin);
      const left = pendingKeys.filter(isLeft);
      return {
        ...before,
        pendingKeys: left.length === 0 ? undefined : left,
        requests: requests?.filter(isLeft),
        ...(acme === undefined ? {} : { acme: { ...acme, orders: acme.orders.filter(isLeft) } }),
        attempt: undefined,
      };
    });
  }

  /**
   * Switches to the next keys: at once where Postern signs, with the next order where a CA does.
   * @throws RuleViolation when there is no next key, or the operator makes the switch; NotFound; as the
   *   condition
   */
  async rotate(target: RecordTarget, condition: WriteCondition): Promise<CertificateView> {
    const issued = this.#issuing();
    return this.#change(target, condition, async (before) => {
      if (planOf(before) === null) throw notMadeHere();
      if (before.source === "request") throw refused("operator-renews", UPLOAD_SWITCHES);
      const { pendingKeys = [] } = before;
      const waiting = pendingKeys.filter(({ switchAt }) => switchAt === null);
      if (waiting.length === 0) throw refused("next-key-missing", NEXT_KEY_FIRST);
      const switchAt = timestamp(this.#deps.clock.now());
      const switched = pendingKeys.map((key) => ({ ...key, switchAt: key.switchAt ?? switchAt }));
      return issued({ ...before, pendingKeys: switched });
    });
  }

  /**
   * Renews now, whatever the date. @throws RuleViolation where Postern does not renew; NotFound; as the
   * condition
   */
  async renew(target: RecordTarget, condition: WriteCondition): Promise<CertificateView> {
    const issued = this.#issuing();
    return this.#change(target, condition, async (before) => {
      const renewer = renewedBy(before);
      if (renewer !== "postern") throw refused("operator-renews", NOT_RENEWED_BY[renewer]);
      const at = timestamp(this.#deps.clock.now());
      const { acme } = before;
      return issued(
        acme === undefined
          ? before
          : {
              ...before,
              acme: {
                ...acme,
                orders: acme.orders.map((order) => ({ ...order, lookAgainAt: undefined })),
                suggestions: before.keys.map(({ fingerprintSha256 }) => ({ fingerprintSha256, at })),
              },
            },
      );
    });
  }

  /** Self-signed: with its new version. At a CA: free to be ordered at once. */
  #issuing(): (wanted: CertificateRecord) => Promise<CertificateRecord> {
    const renewed = selfSignedRenewal(this.#deps);
    return async (wanted) =>
      wanted.acme === undefined ? renewed(wanted) : { ...wanted, attempt: undefined };
  }

  async #change(target: RecordTarget, condition: WriteCondition, change: Change): Promise<CertificateView> {
    const { record: written } = await this.#records.write(target.actor, async () => {
      const before = readable(await this.#records.findFor(target, condition));
      const after = await change(before);
      return after === before ? { unchanged: before } : { id: before.id, before, after };
    });
    if (written.acme !== undefined) this.#deps.issuanceRequested();
    return viewOf(this.#deps, written);
  }
}

const refused = (code: IssueCode, message: string): RuleViolation =>
  new RuleViolation([{ pointer: "", code, message }]);

const notMadeHere = (): RuleViolation =>
  refused(
    "operator-renews",
    "the operator makes its keys: send the new key and certificate with PUT to /material",
  );

const UPLOAD_SWITCHES =
  "the switch is the upload: PUT the certificate of the next key's signing request to /material, without a key";
const NEXT_KEY_FIRST =
  "there is no next key: make it with POST to /next-key, publish its TLSA record and pin, then rotate";
const NOT_RENEWED_BY: Readonly<Record<Exclude<RenewedBy, "postern">, string>> = {
  operator: "Postern does not renew this certificate: PUT its new certificate to /material",
  acm: "Postern does not renew this certificate: ACM does",
};
