/** Versions of one certificate as callers add them and go back to them. */

import { RuleViolation, Unreadable } from "../errors.ts";
import type { IssueCode } from "../issue-code.ts";
import type { CertificateId } from "../name/ids.ts";
import type { CertificateRecord, CertificateSource, VersionCause } from "../record/certificate.ts";
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
import { readMaterial, readPendingKey, readVersion } from "./certificate-material.ts";
import { certificatesIn, newCertificate, viewOf, withLeftOut } from "./certificate-records.ts";
import { leafPointer, parseUpload } from "./certificate-upload.ts";
import { type CertificateView, versionViews, type VersionView } from "./certificate-view.ts";
import { checkLoads } from "./load-at-edge.ts";
import { OwnRecords, readable, type RecordTarget, saysTheSame } from "./record-write.ts";
import { checkHostsCovered } from "./reference-rules.ts";
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
    const made = await parseUpload(this.#deps, input, async () => this.#keysHere(readable(present)));
    const puts = new Map<string, ReturnType<typeof materialPut>>();
    const written = await this.#records.write(target.actor, async () => {
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
      const none = { label: null, names: served.names, keys: [], material: null };
      const record = before ?? newCertificate(target.actor, nowMs, { id, source, ...none });
      const cause = causeOf(record, source, served);
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
    const written = await this.#records.write(target.actor, async () => {
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
      return { id, before, after: { ...before, ...withRetiredVersion(before, to, { nowMs, names }) } };
    });
    return viewOf(this.#deps, written);
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
    return material === null ? made : withOtherSlots({ keys: before.keys, material }, made);
  }
}

const KEYS_DELETED = "its keys were deleted 30 days after it was retired";

const refused = (code: IssueCode, message: string): RuleViolation =>
  new RuleViolation([{ pointer: "/version", code, message }]);

/** @throws RuleViolation for a certificate whose CA brings its material */
function checkBrought(record: CertificateRecord): void {
  if (record.source !== "acm" && record.source !== "acme") return;
  const code = record.source === "acm" ? "issued-by-acm" : "issued-by-ca";
  const who = record.source === "acm" ? "ACM" : "its CA";
  const message = `${who} issues its material, which cannot be replaced; set another certificate on the domains instead`;
  throw new RuleViolation([{ pointer: "", code, message }]);
}

/** Dates and keys of stored material, as an upload of it would be judged now. @throws RuleViolation */
function judgedAgain({ keys }: CertificateMaterial, nowMs: number): NewCertificate {
  const certificatePem = keys.map(({ certificateChainPem }) => certificateChainPem).join("");
  const privateKeyPem = keys.map((key) => key.privateKeyPem).join("");
  try {
    return parsePemBundle({ certificatePem, privateKeyPem }, { nowMs });
  } catch (error) {
    if (!(error instanceof RuleViolation)) throw error;
    throw new RuleViolation(error.issues.map((issue) => ({ ...issue, pointer: "/version" })));
  }
}

/** A signing request stays one for as long as Postern's key is served. */
function sourceAfter(
  before: CertificateRecord | null,
  input: MaterialInput,
  { keys }: Pick<SlotContents, "keys">,
): CertificateSource {
  const ours = new Set(before?.requests?.map(({ spkiPin }) => spkiPin));
  return keys.some(({ spkiPin }) => ours.has(spkiPin)) ? "request" : input.source;
}

function causeOf(
  before: CertificateRecord,
  source: CertificateSource,
  { keys }: Pick<SlotContents, "keys">,
): VersionCause {
  if (source !== "request") return "uploaded";
  if (before.material === null) return "issued";
  const present = new Set(before.keys.map(({ spkiPin }) => spkiPin));
  return keys.every(({ spkiPin }) => present.has(spkiPin)) ? "renewed" : "rotated";
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
