import { type CertificateState } from "./expiry.ts";
import type { Every } from "../same-fields.ts";
import { certificateUsedBy, certificateView, type CertificateView } from "./certificate-view.ts";
import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { InvalidInput, type Issue, NotFound, RuleViolation, Unreadable } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { parseDocument } from "./input-fields.ts";
import { mergePatch } from "./merge-patch.ts";
import { checkHostsCovered } from "./reference-rules.ts";
import { OwnRecords, readable, type RecordAccess, type RecordTarget, saysTheSame } from "./record-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Page, PageRequest, Store } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { sha256Hex } from "../x509/certificate-fields.ts";
import { AcmCertificates } from "./acm-certificates.ts";
import type { CertificatePlan, CertificateRecord, RenewalKey } from "../record/certificate.ts";
import { planOf, renewedBy } from "./renewal.ts";
import { withVersion } from "./versions.ts";
import { deleteCertificate } from "./certificate-replacement.ts";
import {
  type AcmInput,
  certificateDocument,
  type CertificateInput,
  FIXED_FIELDS,
  type MaterialInput,
} from "./certificate-input.ts";
import { checkLoads } from "./load-at-edge.ts";
import { type CertificateId, isCertificateId } from "../name/ids.ts";
import { isHeld, materialName, materialPut, type KeyVault } from "../store/key-vault.ts";
import { parsePemBundle } from "../x509/pem-bundle.ts";
import {
  decodeMaterial,
  encodeMaterial,
  type NewCertificate,
  type CertificateMaterial,
} from "../x509/serving-material.ts";

type NewRecord = Pick<
  CertificateRecord,
  | ("id" | "label" | "source" | "names" | "keys" | "material")
  | ("acm" | "acme" | "plan" | "pendingKeys" | "requests")
>;

/** Reads and writes of server certificates for one caller at a time. One of another account is absent. */
export class CertificateService {
  readonly #deps: ServiceDependencies;
  readonly #records: OwnRecords<CertificateId, CertificateRecord>;
  readonly #acm: AcmCertificates | null;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
    this.#records = new OwnRecords(deps, certificatesIn(deps.store));
    this.#acm = deps.issuer === null ? null : new AcmCertificates({ ...deps, issuer: deps.issuer });
  }

  /** One that waits to be issued is shown as ACM has it now. @throws NotFound */
  async get(actor: Actor, id: string): Promise<CertificateView> {
    const record = await this.#records.get({ actor, id });
    return this.#view((await this.#acm?.seenNow(record)) ?? record);
  }

  /** A page may be short or empty before the end: states are computed by the clock. */
  async list(
    actor: Actor,
    state: CertificateState | undefined,
    page: PageRequest,
  ): Promise<Page<CertificateView>> {
    const { items, unreadable, next } = await this.#deps.store.listCertificates(actor.account, page);
    const views: CertificateView[] = [];
    for (const record of items) views.push(await this.#view(record));
    const shown = views.filter((view) => state === undefined || view.state === state);
    return { items: shown, unreadable: state === undefined ? unreadable : [], next };
  }

  /**
   * Leaf and intermediates of each key, never a key. @throws NotFound; Unreadable when the vault does not
   * have it.
   */
  async chainPem(actor: Actor, id: string): Promise<{ pem: string; revision: number }> {
    const record = await this.#records.get({ actor, id });
    const { keys } = await this.#material(record);
    const pem = keys.map(({ certificateChainPem }) => certificateChainPem).join("");
    return { pem, revision: record.revision };
  }

  /** @throws InvalidInput, RuleViolation, TooLarge: see `parsePemBundle` */
  async create(actor: Actor, input: CertificateInput): Promise<CertificateView> {
    const { ids, vault } = this.#deps;
    if (input.source === "acm") return this.#order(actor, input);
    const made = await this.#make(input);
    const id = ids.certificate();
    const sha256 = await vault.put(materialName(id, 1), encodeMaterial(made.material));
    const { names, keys } = made;
    const addedAt = timestamp(this.#deps.clock.now());
    const material = { version: 1, sha256, addedAt, cause: "created" } as const;
    const view = await this.#add(actor, { id, ...input, names, keys, material, plan: planFrom(input) });
    return withLeftOut(view, made);
  }

  async #order(actor: Actor, input: AcmInput): Promise<CertificateView> {
    if (this.#acm === null) {
      const message = "ACM is available only on AWS; use source pem or self-signed";
      throw new RuleViolation([{ pointer: "/source", code: "no-issuer", message }]);
    }
    const id = this.#deps.ids.certificate();
    const acm = await this.#acm.order(id, input);
    try {
      return await this.#add(actor, { id, ...input, keys: [], material: null, acm });
    } catch (error) {
      await this.#acm.withdraw(acm);
      throw error;
    }
  }

  async #add(actor: Actor, made: NewRecord): Promise<CertificateView> {
    const after = newCertificate(actor, this.#deps.clock.now(), made);
    return this.#view(await this.#records.write(actor, async () => ({ id: made.id, before: null, after })));
  }

  /**
   * A new version of the same certificate, on every host that uses it. Without a key, the present one must
   * fit.
   * @throws RuleViolation when a host that uses it is not covered any more; NotFound; as `create`; as the
   *   condition
   */
  async putMaterial(
    target: RecordTarget,
    input: MaterialInput,
    condition: WriteCondition,
  ): Promise<CertificateView> {
    const present = await this.#records.findFor(target, condition);
    if (present.before?.acm !== undefined) {
      const message =
        "ACM issues its material, which cannot be replaced; set another certificate on the domains instead";
      throw new RuleViolation([{ pointer: "", code: "issued-by-acm", message }]);
    }
    const existing =
      input.privateKeyPem === undefined ? (await this.#material(readable(present))).keys : undefined;
    const made = this.#parse(input, existing);
    const bytes = encodeMaterial(made.material);
    const putMaterial = materialPut(this.#deps.vault, bytes);
    const written = await this.#records.write(target.actor, async () => {
      const { id, before, replaced } = await this.#records.findFor(target, condition);
      const { names, keys } = made;
      const { source } = input;
      const served = { source, names, keys, sha256: sha256Hex(bytes) };
      if (before !== null && (await isServed(this.#deps.vault, before, served))) return { unchanged: before };
      await checkHostsCovered(this.#deps.store, "/certificatePem", {
        id,
        before: before?.names ?? null,
        after: names,
      });
      const material = await putMaterial(before ?? { id, material: null });
      const nowMs = this.#deps.clock.now();
      const none = { label: null, names, keys: [], material: null };
      const record = before ?? newCertificate(target.actor, nowMs, { id, source, ...none });
      const version = withVersion(record, { material, keys, names }, { nowMs, cause: "uploaded" });
      return { id, before, after: { ...record, ...version, source, plan: undefined }, replaced };
    });
    return withLeftOut(await this.#view(written), made);
  }

  /**
   * Changes the label, or whether a renewal keeps the key. @throws InvalidInput when the patch would change
   * anything else; NotFound; as the condition
   */
  async patch(target: RecordTarget, patch: object, condition: WriteCondition): Promise<CertificateView> {
    const written = await this.#records.write(target.actor, async () => {
      const before = readable(await this.#records.findFor(target, condition));
      const shown = await this.#view(before);
      const merged = mergePatch(shown, patch);
      const { label, renewal } = parseDocument(certificateDocument, merged);
      checkFixed(shown, merged);
      const plan = planWith(before, renewal.key);
      if (label === before.label && plan === before.plan) return { unchanged: before };
      return { id: before.id, before, after: { ...before, label, plan } };
    });
    return this.#view(written);
  }

  /** `replaceWith`: id of the one that its MX hosts serve from then on. @throws as `deleteCertificate` */
  async delete(target: RecordTarget, condition: WriteCondition, replaceWith?: string): Promise<void> {
    const deps = { ...this.#deps, records: this.#records, acm: this.#acm };
    await deleteCertificate(deps, { target, condition, replaceWith: replaceWith ?? null });
  }

  async #make(input: Exclude<CertificateInput, AcmInput>): Promise<NewCertificate> {
    if (input.source === "pem") return this.#parse(input);
    if (input.names.length > CAPS.selfSignedNames)
      throw tooManyNames(`holds more than ${CAPS.selfSignedNames} names`);
    const request = { ...input, keyTypes: [input.keyType] };
    const made = await this.#deps.makeSelfSigned(request, { nowMs: this.#deps.clock.now() });
    checkLoads(this.#deps.loadAtEdge, "/keyType", made.material);
    // The cap of uploads: clients cut a handshake of over 100 KB; a log entry has to fit a DynamoDB item.
    if (made.material.keys.some(({ certificateChainPem }) => isTooLarge(certificateChainPem)))
      throw tooManyNames(`makes a certificate of over ${CAPS.certificatePemBytes} bytes of PEM`);
    return made;
  }

  #parse(input: MaterialInput, existingKeys?: CertificateMaterial["keys"]): NewCertificate {
    const made = parsePemBundle(input, { nowMs: this.#deps.clock.now(), existingKeys });
    checkLoads(this.#deps.loadAtEdge, "/certificatePem", made.material);
    return made;
  }

  async #material({ id, material }: CertificateRecord): Promise<CertificateMaterial> {
    if (material === null) throw new NotFound("the certificate is not issued yet");
    try {
      return decodeMaterial(await this.#deps.vault.get(materialName(id, material.version), material.sha256));
    } catch (error) {
      // The record is there: its material missing is our trouble, not an unknown certificate.
      if (error instanceof NotFound) throw new Unreadable(`material of ${id} is missing`, { cause: error });
      throw error;
    }
  }

  async #view(record: CertificateRecord): Promise<CertificateView> {
    const { store, clock } = this.#deps;
    return certificateView(record, await certificateUsedBy(store, record), clock.now());
  }
}

const certificatesIn = (
  store: Pick<Store, "getCertificate">,
): RecordAccess<CertificateId, CertificateRecord> => ({
  kind: "certificate",
  isId: isCertificateId,
  get: (id) => store.getCertificate(id),
  change: (id, before, after) => ({ kind: "certificate", id, before, after }),
});

/** Whether this very material is in service already, and the vault still has it. */
async function isServed(
  vault: Pick<KeyVault, "get">,
  { id, material, source, names, keys }: CertificateRecord,
  { sha256, ...made }: Pick<CertificateRecord, "source" | "names" | "keys"> & { readonly sha256: string },
): Promise<boolean> {
  if (material?.sha256 !== sha256 || !saysTheSame({ source, names, keys }, made)) return false;
  return isHeld(vault, materialName(id, material.version), sha256);
}

/** A certificate as its first write stores it; the store sets its revision. */
function newCertificate(
  { account, name }: Actor,
  nowMs: number,
  { id, label, source, names, keys, material, acm, acme, plan, pendingKeys, requests }: NewRecord,
): CertificateRecord {
  const at = timestamp(nowMs);
  return {
    id,
    account,
    label,
    source,
    names,
    keys,
    material,
    acm,
    acme,
    plan,
    retired: undefined,
    pendingKeys,
    requests,
    attempt: undefined,
    revision: 0,
    createdAt: at,
    updatedAt: at,
    updatedBy: name,
  } satisfies Every<CertificateRecord>;
}

const withLeftOut = (view: CertificateView, { leftOut }: NewCertificate): CertificateView =>
  leftOut === undefined ? view : { ...view, leftOut };

const planFrom = (input: CertificateInput): CertificatePlan | undefined =>
  input.source === "self-signed"
    ? { keyTypes: [input.keyType], days: input.days, renewalKey: "keep" }
    : undefined;

/** The plan with another policy for the key; null = the default. @throws InvalidInput */
function planWith(record: CertificateRecord, key: RenewalKey | null): CertificatePlan | undefined {
  const plan = planOf(record);
  if (renewedBy(record) === "postern" && plan !== null) {
    const renewalKey = key ?? "keep";
    return renewalKey === plan.renewalKey ? record.plan : { ...plan, renewalKey };
  }
  if (key === null) return record.plan;
  const message = "must be null: Postern does not renew this certificate";
  throw new InvalidInput("The key policy of this certificate cannot be changed.", [
    { pointer: "/renewal/key", code: "read-only", message },
  ]);
}

function checkFixed(shown: CertificateView, merged: unknown): void {
  const document: object = typeof merged === "object" && merged !== null ? merged : {};
  const changed = FIXED_FIELDS.filter(
    (field) => JSON.stringify(Reflect.get(document, field)) !== JSON.stringify(shown[field]),
  );
  if (changed.length === 0) return;
  const issues: Issue[] = changed.map((field) => ({
    pointer: `/${field}`,
    code: "read-only",
    message: "cannot be changed by a patch; send new material with PUT to /material",
  }));
  throw new InvalidInput("Only label and renewal.key of a certificate can be patched.", issues);
}

const isTooLarge = (pem: string): boolean => Buffer.byteLength(pem) > CAPS.certificatePemBytes;

const tooManyNames = (message: string): RuleViolation =>
  new RuleViolation([{ pointer: "/names", code: "too-many", message }]);
