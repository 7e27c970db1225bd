/** Certificates of callers: made, uploaded or ordered, listed, labelled and deleted. */

import { type CertificateState } from "./expiry.ts";
import {
  certificatesIn,
  newCertificate,
  type NewRecord,
  viewOf,
  withLeftOut,
} from "./certificate-records.ts";
import type { CertificateView } from "./certificate-view.ts";
import type { Actor } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { InvalidInput, type Issue, RuleViolation } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { parseDocument } from "./input-fields.ts";
import { mergePatch } from "./merge-patch.ts";
import { checkOwnNames } from "./owned-names.ts";
import { OwnRecords, readable, type RecordTarget, saysTheSame } from "./record-write.ts";
import { quotaOf } from "./quota-of.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { LogEntry, Page, PageRequest } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { AcmCertificates } from "./acm-certificates.ts";
import type { CertificatePlan, CertificateRecord, RenewalKey } from "../record/certificate.ts";
import { planOf, renewedBy } from "./renewal.ts";
import { labelledPage, type WantedLabel } from "./filtered-page.ts";
import { deleteCertificate } from "./certificate-replacement.ts";
import {
  type AcmeInput,
  type AcmInput,
  certificateDocument,
  type CertificateInput,
  FIXED_FIELDS,
  keyTypesOf,
  type RequestInput,
  type SelfSignedInput,
} from "./certificate-input.ts";
import { makeKeys } from "./certificate-material.ts";
import { parseUpload } from "./certificate-upload.ts";
import { checkLoads } from "./load-at-edge.ts";
import type { CertificateId } from "../name/ids.ts";
import { materialName } from "../store/key-vault.ts";
import { encodeMaterial, type NewCertificate } from "../x509/serving-material.ts";

/** Filters of a list of certificates; absent = all. */
export interface CertificateListing {
  readonly state?: CertificateState | undefined;
  readonly labels?: readonly WantedLabel[] | undefined;
}

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
    { state, labels = [] }: CertificateListing,
    page: PageRequest,
  ): Promise<Page<CertificateView>> {
    const read = (each: PageRequest) => this.#deps.store.listCertificates(actor.account, each);
    const { items, unreadable, next } = await labelledPage(read, labels, page);
    const views: CertificateView[] = [];
    for (const record of items) views.push(await this.#view(record));
    const shown = views.filter((view) => state === undefined || view.state === state);
    return { items: shown, unreadable: state === undefined ? unreadable : [], next };
  }

  /** @throws InvalidInput, RuleViolation, TooLarge: see `parseUpload` */
  async create(actor: Actor, input: CertificateInput): Promise<CertificateView> {
    switch (input.source) {
      case "acm":
        return this.#order(actor, input);
      case "request":
      case "acme":
        return this.#await(actor, input);
      default:
        return this.#store(actor, input);
    }
  }

  async #store(
    actor: Actor,
    input: Exclude<CertificateInput, AwaitedInput | AcmInput>,
  ): Promise<CertificateView> {
    const { ids, vault } = this.#deps;
    const made = await (input.source === "self-signed" ? this.#sign(input) : parseUpload(this.#deps, input));
    const id = ids.certificate();
    const sha256 = await vault.put(materialName(id, 1), encodeMaterial(made.material));
    const nowMs = this.#deps.clock.now();
    const addedAt = timestamp(nowMs);
    const { names, keys } = made;
    const { source, label, labels } = input;
    const plan = input.source === "self-signed" ? planFrom(input) : undefined;
    const material = { version: 1, sha256, addedAt, cause: "created" } as const;
    const record = { id, label, labels, source, names, keys, material, plan };
    return withLeftOut(await this.#add(actor, record, nowMs), made);
  }

  /** A certificate whose keys wait for it: its signing requests go to a CA. */
  async #await(actor: Actor, input: AwaitedInput): Promise<CertificateView> {
    const { label, labels, source, names } = input;
    if (Buffer.byteLength(names.join("")) > CAPS.orderedNamesBytes)
      throw tooManyNames(`has names of over ${CAPS.orderedNamesBytes} bytes together`);
    if (input.source === "acme") {
      checkOrder(this.#deps.acmeDirectories, input);
      await checkOwnNames(this.#deps.store, actor, names);
    }
    const id = this.#deps.ids.certificate();
    const plan = planFrom(input);
    const { keyTypes } = plan;
    const requestedNames = input.source === "request" ? names : null;
    const wanted = { id, keyTypes, isSwitched: true, requestedNames };
    const { pendingKeys, requests } = await makeKeys(this.#deps, wanted);
    const awaited = { id, label, labels, source, names, keys: [], material: null, plan, pendingKeys };
    if (input.source === "request") return this.#add(actor, { ...awaited, requests });
    const { directory, challenge, profile } = input;
    const none = { accountUrl: null, caaIdentity: null, orders: [], suggestions: [] };
    const view = await this.#add(actor, { ...awaited, acme: { directory, challenge, profile, ...none } });
    this.#deps.issuanceRequested();
    return view;
  }

  async #order(actor: Actor, input: AcmInput): Promise<CertificateView> {
    if (this.#acm === null) {
      const message =
        "ACM is available only on AWS; use another source: self-signed, pem, pkcs12, request or acme";
      throw new RuleViolation([{ pointer: "/source", code: "no-issuer", message }]);
    }
    await checkOwnNames(this.#deps.store, actor, input.names);
    const id = this.#deps.ids.certificate();
    const acm = await this.#acm.order(id, input);
    try {
      return await this.#add(actor, { id, ...input, keys: [], material: null, acm });
    } catch (error) {
      await this.#acm.withdraw(acm);
      throw error;
    }
  }

  async #add(actor: Actor, made: NewRecord, nowMs = this.#deps.clock.now()): Promise<CertificateView> {
    const after = newCertificate(actor, nowMs, made);
    const { record: written } = await this.#records.write(actor, async () => ({
      id: made.id,
      before: null,
      after,
      quota: await quotaOf(this.#deps.access, actor.account, "certificate"),
    }));
    return this.#view(written);
  }

  /**
   * Changes label, labels, or whether a renewal keeps the key.
   * @throws InvalidInput when the patch would change anything else; NotFound; as the condition
   */
  async patch(target: RecordTarget, patch: object, condition: WriteCondition): Promise<CertificateView> {
    const { record: written } = await this.#records.write(target.actor, async () => {
      const before = readable(await this.#records.findFor(target, condition));
      const shown = await this.#view(before);
      const merged = mergePatch(shown, patch);
      const { label, labels, renewal } = parseDocument(certificateDocument, merged);
      checkFixed(shown, merged);
      const plan = planWith(before, renewal.key);
      const after = { ...before, label, labels, plan };
      return saysTheSame(before, after) ? { unchanged: before } : { id: before.id, before, after };
    });
    return this.#view(written);
  }

  /** `replaceWith`: id of the one that its MX hosts serve from then on. @throws as `deleteCertificate` */
  delete(target: RecordTarget, condition: WriteCondition, replaceWith?: string): Promise<LogEntry | null> {
    const deps = { ...this.#deps, records: this.#records, acm: this.#acm };
    return deleteCertificate(deps, { target, condition, replaceWith: replaceWith ?? null });
  }

  async #sign(input: SelfSignedInput): Promise<NewCertificate> {
    if (input.names.length > CAPS.selfSignedNames)
      throw tooManyNames(`holds more than ${CAPS.selfSignedNames} names`);
    const { names, days } = input;
    const request = { names, days, keyTypes: keyTypesOf(input) };
    const made = await this.#deps.makeSelfSigned(request, { nowMs: this.#deps.clock.now() });
    checkLoads(this.#deps.loadAtEdge, "/keyType", made.material);
    // The cap of uploads: clients cut a handshake of over 100 KB; a log entry has to fit a DynamoDB item.
    if (made.material.keys.some(({ certificateChainPem }) => isTooLarge(certificateChainPem)))
      throw tooManyNames(`makes a certificate of over ${CAPS.certificatePemBytes} bytes of PEM`);
    return made;
  }

  #view(record: CertificateRecord): Promise<CertificateView> {
    return viewOf(this.#deps, record);
  }
}

type AwaitedInput = RequestInput | AcmeInput;

function planFrom(input: SelfSignedInput | AwaitedInput): CertificatePlan {
  const common = { keyTypes: keyTypesOf(input), renewalKey: "keep" } as const;
  return input.source === "self-signed" ? { ...common, days: input.days } : { ...common, names: input.names };
}

/** @throws RuleViolation */
function checkOrder(directories: readonly string[], { directory, challenge, names }: AcmeInput): void {
  const issues: Issue[] = [];
  if (!directories.includes(directory)) {
    const known = directories.length === 0 ? "none is configured" : `known: ${directories.join(", ")}`;
    const message = `is no directory of ACME_DIRECTORIES (${known})`;
    issues.push({ pointer: "/directory", code: "unknown-directory", message });
  }
  if (challenge === "http-01" && names.some((name) => name.startsWith("*.")))
    issues.push({
      pointer: "/challenge",
      code: "wildcard-needs-dns",
      message: "a wildcard can be validated by dns-01 only (RFC 8555 section 8.4)",
    });
  if (issues.length > 0) throw new RuleViolation(issues);
}

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
    // A merge patch with null leaves the member out: what is null may be sent back.
    (field) => JSON.stringify(Reflect.get(document, field) ?? null) !== JSON.stringify(shown[field]),
  );
  if (changed.length === 0) return;
  const issues: Issue[] = changed.map((field) => ({
    pointer: `/${field}`,
    code: "read-only",
    message: "cannot be changed by a patch; send new material with PUT to /material",
  }));
  throw new InvalidInput("Only label, labels and renewal.key of a certificate can be patched.", issues);
}

const isTooLarge = (pem: string): boolean => Buffer.byteLength(pem) > CAPS.certificatePemBytes;

const tooManyNames = (message: string): RuleViolation =>
  new RuleViolation([{ pointer: "/names", code: "too-many", message }]);
