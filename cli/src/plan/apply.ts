import type { Certificate, CertificateInput } from "../../../sdk/src/index.ts";
import { applyDomains } from "./domain-batches.ts";
import { type Applying, Outcomes } from "./outcome.ts";
import { privateKeysOf } from "./pem.ts";
import type { Plan } from "./plan.ts";
import type { CertificateStep, DomainStep, Kind, Step, TrustStoreStep } from "./step.ts";

/**
 * Writes the steps of a plan: what domains name first, then domains, then deletions. Each write names the
 * revision that the plan was made at.
 *
 * @returns the outcome of each step, also when the API went away or the signal ended the work
 */
export async function applyPlan(plan: Plan, applying: Applying): Promise<Outcomes> {
  const outcomes = new Outcomes(applying.onDone);
  const ids = new Map(Object.entries(plan.ids));
  const of = <K extends Kind>(kind: K, isDeletion: boolean) =>
    plan.steps.filter(
      (step): step is Extract<Step, { kind: K }> =>
        step.kind === kind && (step.action === "delete") === isDeletion,
    );
  const single = new SingleWrites(applying, outcomes, ids);
  await single.each(of("trust-store", false), (step) => single.trustStore(step));
  await single.each(of("certificate", false), (step) => single.certificate(step));
  const domains = (steps: readonly DomainStep[]) => applyDomains(steps, { ...applying, outcomes, ids });
  await domains(of("domain", false));
  await domains(of("domain", true));
  await single.each(of("certificate", true), (step) => single.certificate(step));
  await single.each(of("trust-store", true), (step) => single.trustStore(step));
  return outcomes;
}

type Written = { readonly id: string; readonly revision: number } | null;

/** Writes of one record each. */
class SingleWrites {
  readonly #applying: Applying;
  readonly #outcomes: Outcomes;
  readonly #ids: Map<string, string>;

  constructor(applying: Applying, outcomes: Outcomes, ids: Map<string, string>) {
    this.#applying = applying;
    this.#outcomes = outcomes;
    this.#ids = ids;
  }

  /** @param write returns null for a deletion */
  async each<S extends Step>(steps: readonly S[], write: (step: S) => Promise<Written>): Promise<void> {
    for (const step of steps) {
      if (this.#outcomes.stopped !== null) return;
      try {
        const written = await write(step);
        if (written !== null) this.#ids.set(`${step.kind}:${step.name}`, written.id);
        this.#outcomes.done(step, written?.revision ?? null);
      } catch (error) {
        this.#outcomes.met(step, error, this.#applying.effects.signal.aborted);
      }
    }
  }

  async trustStore({ id, revision, write }: TrustStoreStep): Promise<Written> {
    const { trustStores } = this.#applying.postern;
    if (id === null || revision === null) return write === null ? null : trustStores.create(write);
    if (write !== null) return trustStores.put(id, write, { ifMatch: revision });
    await trustStores.delete(id, { ifMatch: revision });
    return null;
  }

  async certificate(step: CertificateStep): Promise<Written> {
    const { id, revision, write, name } = step;
    const { certificates } = this.#applying.postern;
    if (write === null) {
      await certificates.delete(id ?? "", { ifMatch: revision ?? 0 });
      return null;
    }
    const { labels, renewalKey, certificatePem } = write;
    if (id !== null && revision !== null) {
      const patch = {
        ...(labels === null ? {} : { labels: labelsPatch(step, labels) }),
        ...renewal(renewalKey),
      };
      let ifMatch: number = revision;
      let last: Certificate | null = null;
      if (Object.keys(patch).length > 0) last = await certificates.patch(id, patch, { ifMatch });
      ifMatch = last?.revision ?? ifMatch;
      if (certificatePem !== null)
        last = await certificates.putMaterial(id, await this.#upload(step, certificatePem), { ifMatch });
      return { id, revision: last?.revision ?? revision };
    }
    const order: CertificateInput = write.order ?? (await this.#upload(step, certificatePem ?? ""));
    const made = await certificates.create({ ...order, label: name, labels: { ...labels } });
    if (renewalKey === null || made.renewal.key === renewalKey) return made;
    return certificates.patch(made.id, renewal(renewalKey), { ifMatch: made.revision });
  }

  async #upload({ write }: CertificateStep, certificatePem: string) {
    const path = write?.privateKeyFile ?? null;
    const source = "pem" as const;
    if (path === null) return { source, certificatePem };
    const privateKeyPem = privateKeysOf(await this.#applying.readKey(path));
    if (privateKeyPem === "") throw new TypeError(`${path} has no private key in PEM`);
    return { source, certificatePem, privateKeyPem };
  }
}

const renewal = (key: "keep" | "new" | null) => (key === null ? {} : { renewal: { key } });

/** A merge patch that leaves exactly these labels. */
function labelsPatch({ changes }: CertificateStep, labels: Readonly<Record<string, string>>) {
  const removed = changes.flatMap(({ field, after }): [string, null][] =>
    field.startsWith("labels.") && after === undefined ? [[field.slice("labels.".length), null]] : [],
  );
  return { ...labels, ...Object.fromEntries(removed) };
}
