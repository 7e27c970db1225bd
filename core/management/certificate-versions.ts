/** Versions of one certificate as callers add them and go back to them. */

import { InvalidInput, NotFound, RuleViolation, Unreadable } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import type { CertificateId } from "../name/ids.ts";
import type {
  CertificateRecord,
  CertificateSource,
  SigningRequest,
  VersionCause,
} from "../record/certificate.ts";
import { NO_LABELS } from "../record/labels.ts";
import { isHeld, type KeyVault, materialName, materialPut } from "../store/key-vault.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { sha256Hex } from "../x509/certificate-fields.ts";
import { slotOf } from "../x509/key-type.ts";
import { type SlotContents, withOtherSlots } from "../x509/key-slots.ts";
import { parsePemBundle } from "../x509/pem-bundle.ts";
import {
  type CertificateMaterial,
  encodeMaterial,
  type NewCertificate,
  type StoredPrivateKey,
} from "../x509/serving-material.ts";
import type { MaterialInput } from "./certificate-input.ts";
import { keysTakenBack, readMaterial, readPendingKey, readVersion } from "./certificate-material.ts";
import { certificatesIn, newCertificate, viewOf, withLeftOut } from "./certificate-records.ts";
import { bringsKey, leafPointer, parseUpload } from "./certificate-upload.ts";
import { type CertificateView, versionViews, type VersionView } from "./certificate-view.ts";
import { checkLoads } from "./load-at-edge.ts";
import { OwnRecords, readable, type RecordTarget, saysTheSame } from "./record-write.ts";
import { checkHostsCovered } from "./reference-rules.ts";
import { planOf } from "./renewal.ts";
import { pendingWithout } from "./self-signed-renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { isKept, withRetiredVersion, withVersion } from "./versions.ts";

/** New material of a certificate, its versions, and the way back. One of another account is absent. */
export class CertificateVersions {
  readonly #deps: ServiceDependencies;
  readonly #records: OwnRecords<CertificateId, CertificateRecord>;

  constructor(deps: ServiceDependencies) {
    this.#deps = deps;
    this.#records = new OwnRecords(deps, certificatesIn(deps.store));
  }

  /** The one in service first. @throws NotFound; Unreadable */
  async list(target: RecordTarget): Promise<{ items: readonly VersionView[]; revision: number }> {
    const record = await this.#records.get(target);
    return { items: versionViews(record, this.#deps.clock.now()), revision: record.revision };
  }

  /**
   * Leaf and intermediates of each key, never a key. @throws NotFound; Unreadable when the vault does not
   * have it.
   */
  async chainPem(target: RecordTarget): Promise<{ pem: string; revision: number }> {
    const record = await this.#records.get(target);
    const { keys } = await readMaterial(this.#deps.vault, record);
    const pem = keys.map(({ certificateChainPem }) => certificateChainPem).join("");
    return { pem, revision: record.revision };
  }

  /** The signing request of each key. @throws NotFound, also where there is none */
  async requestsPem(target: RecordTarget): Promise<{ pem: string; revision: number }> {
    const { requests = [], revision } = await this.#records.get(target);
    if (requests.length === 0)
      throw new NotFound("this certificate has no signing request: its source is not request");
    return { pem: requests.map(({ csrPem }) => csrPem).join(""), revision };
  }

  /**
   * A new version of the same certificate, on every host that uses it. It takes the slots of the keys that it
   * brings; the other slot stays, unless the input removes it. Without a key, one that is here must fit.
   *
   * @throws RuleViolation when a host that uses it is not covered any more, or its CA brings its material;
   *   NotFound; as `parseUpload`; as the condition
   */
  async put(target: RecordTarget, input: MaterialInput, condition: WriteCondition): Promise<CertificateView> {
    const present = await this.#records.findFor(target, condition);
    if (present.before !== null) checkBrought(present.before);
    const isForRequest = present.before?.requests !== undefined && !bringsKey(input);
    const made = await parseUpload(this.#deps, input, async () => this.#keysHere(readable(present))).catch(
      (error: unknown) => {
        throw isForRequest ? namingRequest(error) : error;
      },
    );
    const puts = new Map<string, ReturnType<typeof materialPut>>();
    const { record: written } = await this.#records.write(target.actor, async () => {
      const { id, before, replaced } = await this.#records.findFor(target, condition);
      const served = input.otherSlot === "keep" ? await this.#withOtherSlot(before, made) : made;
      const source = sourceAfter(before, input, served);
      const bytes = encodeMaterial(served.material);
      const sha256 = sha256Hex(bytes);
      if (before !== null && (await isServed(this.#deps.vault, before, { ...served, source, sha256 })))
        return { unchanged: before };
      await checkHostsCovered(this.#deps.store, leafPointer(input), {
        id,
        before: before?.names ?? null,
        after: served.names,
      });
      const putMaterial = puts.get(sha256) ?? materialPut(this.#deps.vault, bytes);
      puts.set(sha256, putMaterial);
      const material = await putMaterial(before ?? { id, material: null });
      const nowMs = this.#deps.clock.now();
      const none = { label: null, labels: NO_LABELS, names: served.names, keys: [], material: null };
      const record = before ?? newCertificate(target.actor, nowMs, { id, source, ...none });
      const cause = causeOf(record, made);
      const version = withVersion(record, { ...served, material }, { nowMs, cause });
      return {
        id,
        before,
        after: { ...record, ...version, ...afterUpload(record, source, served) },
        replaced,
      };
    });
    return withLeftOut(await viewOf(this.#deps, written), made);
  }

  /**
   * Puts a retired version into service again. @throws RuleViolation when it is not there any more, has
   * expired, or does not cover every host that uses the certificate; NotFound; as the condition
   */
  async rollback(target: RecordTarget, version: number, condition: WriteCondition): Promise<CertificateView> {
    const { record: written } = await this.#records.write(target.actor, async () => {
      const before = readable(await this.#records.findFor(target, condition));
      if (before.acm !== undefined)
        throw refused("issued-by-acm", "the newest certificate of ACM would be exported again the next day");
      if (before.material?.version === version) return { unchanged: before };
      const nowMs = this.#deps.clock.now();
      const to = before.retired?.find((each) => each.version === version);
      if (to === undefined) throw refused("unknown-version", `version ${version} is not one of its versions`);
      if (!isKept(to, nowMs)) throw refused("version-deleted", KEYS_DELETED);
      const { names, material } = judgedAgain(await readVersion(this.#deps.vault, before.id, to), nowMs);
      checkLoads(this.#deps.loadAtEdge, "/version", material);
      const { id } = before;
      await checkHostsCovered(this.#deps.store, "/version", { id, before: before.names, after: names });
      const back = withRetiredVersion(before, to, { nowMs, names });
      return { id, before, after: await this.#completed(back, { material, nowMs, was: before }) };
    });
    if (written.acme !== undefined) this.#deps.issuanceRequested();
    return viewOf(this.#deps, written);
  }

  /** A record that went back to a version, with the keys and signing requests that its renewal needs. */
  async #completed(
    back: CertificateRecord,
    { material, nowMs, was }: { material: CertificateMaterial; nowMs: number; was: CertificateRecord },
  ): Promise<CertificateRecord> {
    const requested = new Set(was.requests?.map(({ spkiPin }) => spkiPin));
    const taken = await keysTakenBack(this.#deps.vault, back, { nowMs, requested });
    const pending = [...(back.pendingKeys ?? []), ...taken.map((key) => key.pending)];
    const whole = { ...back, pendingKeys: pending.length === 0 ? undefined : pending };
    const served = back.material?.cause === "uploaded" ? [] : back.keys;
    const requests = await this.#requestsOf(whole, [
      ...served.map(({ keyType, spkiPin }) => ({
        keyType,
        spkiPin,
        privateKeyPem: material.keys.find((key) => key.keyType === keyType)?.privateKeyPem ?? "",
      })),
      ...taken.map(({ pending: { spkiPin }, privateKey }) => ({ ...privateKey, spkiPin })),
    ]);
    // All of its keys are the operator's: as after their upload.
    if (requests?.length === 0 && back.source !== was.source)
      return { ...whole, source: "pem", plan: undefined, requests: undefined };
    return { ...whole, requests, acme: acmeAfter(whole) };
  }

  /** Signing requests of pending keys and of those in service: made again for keys that came back. */
  async #requestsOf(
    record: CertificateRecord,
    keys: readonly (StoredPrivateKey & { readonly spkiPin: string })[],
  ): Promise<readonly SigningRequest[] | undefined> {
    const { requests, pendingKeys = [] } = record;
    if (requests === undefined) return undefined;
    const needed = new Set([...record.keys, ...pendingKeys].map(({ spkiPin }) => spkiPin));
    const here = requests.filter(({ spkiPin }) => needed.has(spkiPin));
    const has = new Set(here.map(({ spkiPin }) => spkiPin));
    const names = planOf(record)?.names ?? record.names;
    const made = keys
      .filter(({ spkiPin }) => !has.has(spkiPin))
      .map(async ({ keyType, spkiPin, privateKeyPem }) => {
        const { pem } = await this.#deps.createCsr({ names, privateKeyPem });
        return { keyType, spkiPin, csrPem: pem };
      });
    return [...(await Promise.all(made)), ...here];
  }

  async #keysHere(record: CertificateRecord): Promise<readonly StoredPrivateKey[]> {
    const { vault } = this.#deps;
    const pending = (record.pendingKeys ?? []).map((key) => readPendingKey(vault, record.id, key));
    const present = record.material === null ? [] : (await readMaterial(vault, record)).keys;
    return [...present, ...(await Promise.all(pending))];
  }

  async #withOtherSlot(before: CertificateRecord | null, made: NewCertificate): Promise<SlotContents> {
    const brought = new Set(made.keys.map(({ keyType }) => slotOf(keyType)));
    if (before === null || before.keys.every(({ keyType }) => brought.has(slotOf(keyType)))) return made;
    const material = await readMaterial(this.#deps.vault, before).catch((error: unknown) => {
      // What the vault has lost cannot be kept, and must not stand against its repair.
      if (error instanceof Unreadable) return null;
      throw error;
    });
    if (material === null) return made;
    const both = withOtherSlots({ keys: before.keys, material }, made);
    if (both.names.length > 0) return both;
    throw new RuleViolation([{ pointer: "/certificatePem", code: "no-names", message: NO_COMMON_NAME }]);
  }
}

const NO_COMMON_NAME =
  'has no dNSName in common with the certificate of the other slot: send both, or otherSlot "remove"';
const KEYS_DELETED = "its keys were deleted 30 days after it was retired";

const refused = (code: IssueCode, message: string): RuleViolation =>
  new RuleViolation([{ pointer: "/version", code, message }]);

/** The refusal of a certificate that fits no key here, where a signing request made the keys known. */
function namingRequest(error: unknown): unknown {
  if (!(error instanceof RuleViolation)) return error;
  return new RuleViolation(
    error.issues.map((issue) =>
      issue.code === "key-mismatch" ? { ...issue, message: OF_ANOTHER_REQUEST } : issue,
    ),
  );
}

const OF_ANOTHER_REQUEST =
  "the certificate belongs to another request: send one that was issued for a request of /csr.pem, or send its private key";

/** @throws RuleViolation for a certificate whose CA brings its material */
function checkBrought(record: CertificateRecord): void {
  if (record.source !== "acm" && record.source !== "acme") return;
  const code = record.source === "acm" ? "issued-by-acm" : "issued-by-ca";
  const who = record.source === "acm" ? "ACM" : "its CA";
  const message = `${who} issues its material, which cannot be replaced; set another certificate on the domains instead`;
  throw new RuleViolation([{ pointer: "", code, message }]);
}

/**
 * Stored material, judged now as an upload of each slot would be: the caps of an upload count for one slot.
 * @throws RuleViolation
 */
function judgedAgain({ keys }: CertificateMaterial, nowMs: number): SlotContents {
  try {
    return keys
      .map(({ certificateChainPem, privateKeyPem }) =>
        parsePemBundle({ certificatePem: certificateChainPem, privateKeyPem }, { nowMs }),
      )
      .reduce((first, second) => withOtherSlots(first, second));
  } catch (error) {
    if (!(error instanceof RuleViolation) && !(error instanceof InvalidInput)) throw error;
    throw new RuleViolation(error.issues.map((issue) => ({ ...issue, pointer: "/version" })));
  }
}

/** The source stays `request` while one of its keys is served, or waits for its certificate. */
function sourceAfter(
  before: CertificateRecord | null,
  input: MaterialInput,
  { keys }: Pick<SlotContents, "keys">,
): CertificateSource {
  const { source } = input;
  if (before?.requests === undefined) return source;
  const served = new Set(keys.map(({ spkiPin }) => spkiPin));
  const waits = pendingWithout(before, served).pendingKeys !== undefined;
  return waits || before.requests.some(({ spkiPin }) => served.has(spkiPin)) ? "request" : source;
}

/** Judged by the keys that the upload brings, each in its slot. */
function causeOf(before: CertificateRecord, { keys }: Pick<SlotContents, "keys">): VersionCause {
  const made = new Set(before.requests?.map(({ spkiPin }) => spkiPin));
  if (!keys.every(({ spkiPin }) => made.has(spkiPin))) return "uploaded";
  const present = new Map(before.keys.map(({ keyType, spkiPin }) => [slotOf(keyType), spkiPin]));
  const replaced = keys.map(({ keyType, spkiPin }) => {
    const pin = present.get(slotOf(keyType));
    return pin === undefined ? "issued" : pin === spkiPin ? "renewed" : "rotated";
  });
  return replaced.find((cause) => cause !== "renewed") ?? "renewed";
}

/** Orders for the keys of a version that came back; when to renew is judged by its own dates. */
function acmeAfter({ acme, keys, pendingKeys = [] }: CertificateRecord): CertificateRecord["acme"] {
  if (acme === undefined) return undefined;
  const here = new Set([...keys, ...pendingKeys].map(({ spkiPin }) => spkiPin));
  return { ...acme, suggestions: [], orders: acme.orders.filter(({ spkiPin }) => here.has(spkiPin)) };
}

/** What Postern made for the certificate and still needs. */
function afterUpload(
  before: CertificateRecord,
  source: CertificateSource,
  { keys }: Pick<SlotContents, "keys">,
): Pick<CertificateRecord, "source" | "plan" | "pendingKeys" | "requests" | "attempt"> {
  if (source !== "request")
    return { source, plan: undefined, pendingKeys: undefined, requests: undefined, attempt: undefined };
  const left = pendingWithout(before, new Set(keys.map(({ spkiPin }) => spkiPin)));
  const needed = new Set([...keys, ...(left.pendingKeys ?? [])].map(({ spkiPin }) => spkiPin));
  const requests = before.requests?.filter(({ spkiPin }) => needed.has(spkiPin));
  return { source, plan: before.plan, ...left, requests, attempt: undefined };
}

/** Whether this very material is in service already, and the vault still has it. */
async function isServed(
  vault: Pick<KeyVault, "get">,
  { id, material, source, names, keys }: CertificateRecord,
  made: Pick<CertificateRecord, "source" | "names" | "keys"> & { readonly sha256: string },
): Promise<boolean> {
  if (material?.sha256 !== made.sha256) return false;
  const asMade = { source: made.source, names: made.names, keys: made.keys };
  return (
    saysTheSame({ source, names, keys }, asMade) &&
    isHeld(vault, materialName(id, material.version), made.sha256)
  );
}
