/** Certificates that ACM issues: ordered, followed and exported into versions of the same certificate. */

import type { Every } from "../same-fields.ts";
import { materialPut } from "../store/key-vault.ts";
import { NotFound, RuleViolation, Unavailable } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { checkHostsCovered } from "./reference-rules.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { AcmOrder, CertificateRecord } from "../record/certificate.ts";
import type { AcmInput } from "./certificate-input.ts";
import type { CertificateIssuer, OrderState } from "./certificate-issuer.ts";
import { checkLoads } from "./load-at-edge.ts";
import type { CertificateId } from "../name/ids.ts";
import { parsePemBundle } from "../x509/pem-bundle.ts";
import { encodeMaterial } from "../x509/serving-material.ts";
import { writeBySchedule } from "./scheduled-write.ts";
import { withVersion } from "./versions.ts";

const NOT_ANSWERING = "ACM does not answer; this is the last known state";

export type AcmDependencies = Pick<
  ServiceDependencies,
  "store" | "vault" | "clock" | "loadAtEdge" | "retry"
> & {
  readonly issuer: CertificateIssuer;
};

/** What `advance` found. */
export type Advance = "unchanged" | "noted" | "exported" | "gone";

/**
 * Certificates that ACM issues: ordered, described until issued, exported into versions of the same
 * certificate.
 */
export class AcmCertificates {
  readonly #deps: AcmDependencies;

  constructor(deps: AcmDependencies) {
    this.#deps = deps;
  }

  /**
   * Orders, and gives what is to be stored of it. Asked again with the same id, it is the same order.
   * @throws RuleViolation
   */
  async order(id: CertificateId, { names, keyType }: AcmInput): Promise<AcmOrder> {
    if (names.length > CAPS.acmNames) {
      const message = `holds more than ${CAPS.acmNames} names`;
      throw new RuleViolation([{ pointer: "/names", code: "too-many", message }]);
    }
    const arn = await this.#deps.issuer.order({ id, names, keyType });
    const placed: AcmOrder = { arn, status: "pending", validation: [], problem: null };
    const seen = await this.#deps.issuer.describe(arn).catch(() => null);
    // Whatever else it is by now, the schedule brings its material.
    return seen === null ? placed : { ...placed, validation: seen.validation };
  }

  /** Deletes an order that has no record here: it would be charged for and never serve. Never rejects. */
  async withdraw({ arn }: AcmOrder): Promise<void> {
    await this.#deps.issuer.delete(arn).catch(() => undefined);
  }

  /** @throws StateConflict (`in-use`), Unavailable */
  async delete({ arn }: AcmOrder): Promise<void> {
    await this.#deps.issuer.delete(arn);
  }

  /**
   * The record with the present state of its order at ACM, for a caller that waits for it; nothing is stored.
   */
  async seenNow(record: CertificateRecord): Promise<CertificateRecord> {
    const { acm } = record;
    if (acm?.status !== "pending") return record;
    const state = await this.#describe(acm.arn).catch((error: unknown) => {
      if (error instanceof Unavailable) return null;
      throw error;
    });
    if (state === null) return { ...record, acm: { ...acm, problem: NOT_ANSWERING } };
    if (state.kind !== "issued") return { ...record, acm: orderOf(acm.arn, state) };
    return { ...record, acm: { ...acm, problem: "issued by ACM; it is exported within minutes" } };
  }

  /**
   * Brings a stored certificate to what ACM has: notes its records and problems, and exports what was issued
   * or renewed into a new version. @throws Unavailable; RuleViolation or InvalidInput when what was exported
   * cannot be served
   */
  async advance(id: CertificateId): Promise<Advance> {
    const record = await this.#deps.store.getCertificate(id);
    if (record?.acm === undefined) return "gone";
    const state = await this.#describe(record.acm.arn);
    const acm = orderOf(record.acm.arn, state);
    if (state.kind === "issued" && !hasLeafUntil(record, state.notAfter)) {
      await this.#export(id, acm);
      return "exported";
    }
    if (JSON.stringify(acm) === JSON.stringify(record.acm)) return "unchanged";
    await writeBySchedule(this.#deps, id, (before) => ({ ...before, acm }));
    return "noted";
  }

  async #export(id: CertificateId, acm: AcmOrder): Promise<void> {
    const bundle = await this.#deps.issuer.export(acm.arn);
    const made = parsePemBundle(bundle, { nowMs: this.#deps.clock.now() });
    checkLoads(this.#deps.loadAtEdge, "/certificatePem", made.material);
    const putMaterial = materialPut(this.#deps.vault, encodeMaterial(made.material));
    await writeBySchedule(this.#deps, id, async (before) => {
      // A renewal carries the same names; one that did not would cut hosts off that serve it.
      await checkHostsCovered(this.#deps.store, "/names", { id, before: before.names, after: made.names });
      const material = await putMaterial(before);
      const nowMs = this.#deps.clock.now();
      const served = withVersion(
        before,
        { material, keys: made.keys, names: made.names },
        { nowMs, cause: "exported" },
      );
      return { ...before, ...served, acm };
    });
  }

  async #describe(arn: string): Promise<OrderState> {
    try {
      return await this.#deps.issuer.describe(arn);
    } catch (error) {
      if (!(error instanceof NotFound)) throw error;
      return { kind: "failed", validation: [], problem: "it was deleted at ACM" };
    }
  }
}

function orderOf(arn: string, state: OrderState): AcmOrder {
  const { kind, validation } = state;
  const problem = kind === "pending" ? null : state.problem;
  return { arn, status: kind, validation, problem } satisfies Every<AcmOrder>;
}

/** ACM tells the end of the newest leaf; a certificate's own dates are whole seconds. */
const hasLeafUntil = ({ keys }: CertificateRecord, notAfter: string): boolean =>
  keys.some((key) => Date.parse(key.notAfter) === Date.parse(notAfter));
