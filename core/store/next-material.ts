import { StateConflict } from "../errors.ts";
import type { CertificateRecord, MaterialReference } from "../record/certificate.ts";
import { type KeyVault, materialName } from "./key-vault.ts";

/** Versions that a write that never came to its end may have left in the vault. */
const VERSIONS_TRIED = 20;

/** Stores material under the next free version: a write that was cut off may have left its own. @throws Unavailable */
export async function putNextMaterial(
  vault: Pick<KeyVault, "put">,
  { id, material }: Pick<CertificateRecord, "id" | "material">,
  bytes: Uint8Array,
): Promise<MaterialReference> {
  const present = material?.version ?? 0;
  for (let version = present + 1; ; version++) {
    try {
      return { version, sha256: await vault.put(materialName(id, version), bytes) };
    } catch (error) {
      const taken = error instanceof StateConflict && error.code === "already-exists";
      if (!taken || version > present + VERSIONS_TRIED) throw error;
    }
  }
}
