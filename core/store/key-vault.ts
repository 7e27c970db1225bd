/** Port of the key vault, and how new material is put into it. */

import type { CertificateRecord, MaterialReference } from "../record/certificate.ts";
import { NotFound, Unreadable, StateConflict } from "../errors.ts";
import type { CertificateId } from "../name/ids.ts";

/**
 * Name of a stored object: material of a certificate's version, content of a trust store, a key that no
 * version has yet, and the key of an account at an ACME CA.
 */
export type VaultName =
  | `keys/${string}/${number}`
  | `trust/${string}`
  | `private/${string}/${string}`
  | `acme/${string}`;

/** Folders of a vault, each as the prefix of its names. */
export const VAULT_FOLDERS = {
  /** `keys/<certificate>/<version>` */
  keys: "keys/",
  /** `trust/<sha256>` */
  trust: "trust/",
  /** `private/<certificate>/<SPKI>`: keys that no certificate has yet. */
  private: "private/",
  /** `acme/<SPKI>`: keys of accounts at ACME CAs. */
  acme: "acme/",
} as const;

const NAME =
  /^(?:keys\/[A-Za-z0-9_-]{1,100}\/[1-9][0-9]{0,9}|private\/[A-Za-z0-9_-]{1,100}\/[0-9a-f]{64}|(?:trust|acme)\/[A-Za-z0-9_-]{1,100})$/;

/** Whether a text names an object: nothing else becomes a path or an object's key. */
export const isVaultName = (text: string | undefined): text is VaultName =>
  text !== undefined && NAME.test(text);

export const materialName = (id: CertificateId, version: number): VaultName => `keys/${id}/${version}`;
export const trustName = (sha256: string): VaultName => `trust/${sha256}`;
/** @param spkiPin `sha256//` and base64 of the SHA-256 of the SPKI, which the name holds as hex. */
export const privateKeyName = (id: CertificateId, spkiPin: string): VaultName =>
  `private/${id}/${hexOfPin(spkiPin)}`;
export const accountKeyName = (spkiPin: string): VaultName => `acme/${hexOfPin(spkiPin)}`;

const hexOfPin = (spkiPin: string): string =>
  Buffer.from(spkiPin.slice("sha256//".length), "base64").toString("hex");

/**
 * Holds what must not lie in the settings store: private keys, and trust-store content named by hash.
 *
 * Every implementation passes test/contract/key-vault.contract.ts.
 */
export interface KeyVault {
  /**
   * Writes an object once, durably: when this resolves, a crash does not lose it. Called before the
   * transaction that names it. Writing the same bytes again is not an error, and makes the object young
   * again: a clean-up leaves it.
   *
   * @returns the SHA-256 of the bytes, lower-case hex.
   * @throws StateConflict (`already-exists`) when the name holds other bytes.
   * @throws Unavailable when the vault does not answer.
   */
  put(name: VaultName, content: Uint8Array): Promise<string>;
  /**
   * @throws NotFound when there is no such object.
   * @throws Unreadable when its SHA-256 is not `sha256`.
   * @throws Unavailable when the vault does not answer.
   */
  get(name: VaultName, sha256: string): Promise<Uint8Array>;
  /**
   * Removes an object that was last written before a moment; for objects that no record names. One that has
   * been written again since stays: its writer is about to name it.
   *
   * @returns false when it is younger, or absent.
   */
  delete(name: VaultName, epochMs: number): Promise<boolean>;
}

/** Whether the vault has an object as its record names it. @throws Unavailable */
export async function isHeld(
  vault: Pick<KeyVault, "get">,
  name: VaultName,
  sha256: string,
): Promise<boolean> {
  try {
    await vault.get(name, sha256);
    return true;
  } catch (error) {
    if (error instanceof NotFound || error instanceof Unreadable) return false;
    throw error;
  }
}

/** Versions that a write that never came to its end may have left in the vault. */
const VERSIONS_TRIED = 20;

/**
 * Puts the material of one write, which may be built several times: again only where another write has taken
 * the version. The result rejects with Unavailable.
 */
export function materialPut(
  vault: Pick<KeyVault, "put">,
  bytes: Uint8Array,
): (of: Pick<CertificateRecord, "id" | "material" | "retired">) => Promise<MaterialReference> {
  let last: MaterialReference | null = null;
  return async (of) => {
    if (last === null || last.version <= newestVersion(of)) last = await putNextMaterial(vault, of, bytes);
    return last;
  };
}

/** Stores material under the next free version: a write that was cut off may have left its own. */
async function putNextMaterial(
  vault: Pick<KeyVault, "put">,
  of: Pick<CertificateRecord, "id" | "material" | "retired">,
  bytes: Uint8Array,
): Promise<MaterialReference> {
  const { id } = of;
  const present = newestVersion(of);
  for (let version = present + 1; ; version++) {
    try {
      return { version, sha256: await vault.put(materialName(id, version), bytes) };
    } catch (error) {
      const taken = error instanceof StateConflict && error.code === "already-exists";
      if (!taken || version > present + VERSIONS_TRIED) throw error;
    }
  }
}

/** After a rollback the newest version is not the one in service. */
const newestVersion = ({ material, retired = [] }: Pick<CertificateRecord, "material" | "retired">): number =>
  Math.max(material?.version ?? 0, ...retired.map(({ version }) => version));
