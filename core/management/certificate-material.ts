/** Keys and material of certificates in the vault: read by their records, and put before them. */

import { timestamp } from "../clock.ts";
import { NotFound, Unreadable } from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";
import type {
  CertificateRecord,
  MaterialReference,
  PendingKey,
  SigningRequest,
} from "../record/certificate.ts";
import { type KeyVault, materialName, privateKeyName, type VaultName } from "../store/key-vault.ts";
import { type KeyType, slotOf } from "../x509/key-type.ts";
import { planOf } from "./renewal.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import { isKept } from "./versions.ts";
import { createPrivateKeyOf } from "../x509/new-key.ts";
import {
  type CertificateMaterial,
  decodeMaterial,
  decodePrivateKey,
  encodePrivateKey,
  type StoredPrivateKey,
} from "../x509/serving-material.ts";

type Reader = Pick<KeyVault, "get">;

/** Material of the version in service. @throws NotFound when there is none yet; Unreadable; Unavailable */
export async function readMaterial(
  vault: Reader,
  { id, material }: Pick<CertificateRecord, "id" | "material">,
): Promise<CertificateMaterial> {
  if (material === null) throw new NotFound("the certificate is not issued yet");
  return readVersion(vault, id, material);
}

/** @throws Unreadable when the vault does not have it; Unavailable */
export async function readVersion(
  vault: Reader,
  id: CertificateId,
  { version, sha256 }: MaterialReference,
): Promise<CertificateMaterial> {
  return decodeMaterial(
    await named(vault, { name: materialName(id, version), sha256, what: `material of ${id}` }),
  );
}

/** @throws Unreadable when the vault does not have it; Unavailable */
export async function readPendingKey(
  vault: Reader,
  id: CertificateId,
  { spkiPin, sha256 }: PendingKey,
): Promise<StoredPrivateKey> {
  return decodePrivateKey(
    await named(vault, { name: privateKeyName(id, spkiPin), sha256, what: `a pending key of ${id}` }),
  );
}

/** The record is there: its object missing is our trouble, not an unknown certificate. */
async function named(
  vault: Reader,
  { name, sha256, what }: { readonly name: VaultName; readonly sha256: string; readonly what: string },
): Promise<Uint8Array> {
  try {
    return await vault.get(name, sha256);
  } catch (error) {
    if (error instanceof NotFound) throw new Unreadable(`${what} is missing`, { cause: error });
    throw error;
  }
}

/** Makes a key and puts it into the vault; the record names it afterwards. @throws Unavailable */
async function makePendingKey(
  vault: Pick<KeyVault, "put">,
  { id, keyType }: { readonly id: CertificateId; readonly keyType: KeyType },
  { nowMs, isSwitched }: { readonly nowMs: number; readonly isSwitched: boolean },
): Promise<{ readonly pending: PendingKey; readonly privateKey: StoredPrivateKey }> {
  const { spkiPin, privateKeyPem } = await createPrivateKeyOf(keyType);
  const privateKey = { keyType, privateKeyPem };
  const sha256 = await vault.put(privateKeyName(id, spkiPin), encodePrivateKey(privateKey));
  const madeAt = timestamp(nowMs);
  return {
    pending: { keyType, spkiPin, sha256, madeAt, switchAt: isSwitched ? madeAt : null },
    privateKey,
  };
}

/** Keys in the vault, and a signing request for each where it has names. @throws Unavailable */
export async function makeKeys(
  { vault, clock, createCsr }: Pick<ServiceDependencies, "vault" | "clock" | "createCsr">,
  wanted: Pick<CertificateRecord, "id"> & {
    readonly keyTypes: readonly PendingKey["keyType"][];
    readonly isSwitched: boolean;
    /** Names of the signing requests; null = an order makes its own. */
    readonly requestedNames: readonly string[] | null;
  },
): Promise<{ readonly pendingKeys: readonly PendingKey[]; readonly requests: readonly SigningRequest[] }> {
  const { id, requestedNames: names, isSwitched } = wanted;
  const made = await Promise.all(
    wanted.keyTypes.map(async (keyType) => {
      const { pending, privateKey } = await makePendingKey(
        vault,
        { id, keyType },
        { nowMs: clock.now(), isSwitched },
      );
      if (names === null) return { pending, requests: [] };
      const { pem } = await createCsr({ names, privateKeyPem: privateKey.privateKeyPem });
      return { pending, requests: [{ keyType, spkiPin: pending.spkiPin, csrPem: pem }] };
    }),
  );
  return {
    pendingKeys: made.map(({ pending }) => pending),
    requests: made.flatMap(({ requests }) => requests),
  };
}

/** A key that waits for its next certificate. */
export interface KeyTaken {
  readonly pending: PendingKey;
  readonly privateKey: StoredPrivateKey;
}

/**
 * Keys that a version lacks and the plan wants, after a rollback to it: pending, with their switch requested,
 * so that what was published of them holds. They are those of the versions retired last; what the vault has
 * lost is left out. @throws Unavailable
 */
export async function keysTakenBack(
  vault: Pick<KeyVault, "get" | "put">,
  back: CertificateRecord,
  { nowMs, requested }: { readonly nowMs: number; readonly requested: ReadonlySet<string> },
): Promise<readonly KeyTaken[]> {
  const { id, keys, pendingKeys = [], retired = [], source } = back;
  const has = new Set([...keys, ...pendingKeys].map(({ keyType }) => slotOf(keyType)));
  const missing = (planOf(back)?.keyTypes ?? []).filter((keyType) => !has.has(slotOf(keyType)));
  const taken = missing.map(async (keyType): Promise<readonly KeyTaken[]> => {
    for (const version of retired) {
      const key = version.keys.find((each) => each.keyType === keyType);
      if (key === undefined || !isKept(version, nowMs) || (version.source ?? source) !== source) continue;
      // The operator's own is not Postern's to renew.
      if (version.cause === "uploaded" && !requested.has(key.spkiPin)) continue;
      const material = await readVersion(vault, id, version).catch(nullIfLost);
      const privateKeyPem = material?.keys.find((each) => each.keyType === keyType)?.privateKeyPem;
      if (privateKeyPem === undefined) continue;
      const { spkiPin } = key;
      const privateKey = { keyType, privateKeyPem };
      const sha256 = await vault.put(privateKeyName(id, spkiPin), encodePrivateKey(privateKey));
      const at = timestamp(nowMs);
      return [{ pending: { keyType, spkiPin, sha256, madeAt: at, switchAt: at }, privateKey }];
    }
    return [];
  });
  return (await Promise.all(taken)).flat();
}

/** For what can be done without: null where the vault has lost it. @throws any other error */
export const nullIfLost = (error: unknown): null => {
  if (error instanceof Unreadable) return null;
  throw error;
};
