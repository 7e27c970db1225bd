/** Material that an operator brings, parsed and tried as an edge would load it. */

import type { NewCertificate, StoredPrivateKey } from "../x509/serving-material.ts";
import { bringsKey, parsePemBundle } from "../x509/pem-bundle.ts";
import type { MaterialInput } from "./certificate-input.ts";
import { checkLoads } from "./load-at-edge.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

type UploadInput = Omit<MaterialInput, "otherSlot">;

/** The field that holds the leaf: where an issue of the certificate as a whole points. */
export const leafPointer = (_input: UploadInput): string => "/certificatePem";

/**
 * @param existingKeys keys of the certificate, for an upload without one; not asked for otherwise.
 * @throws InvalidInput, RuleViolation, TooLarge: see `parsePemBundle`; as `existingKeys`
 */
export async function parseUpload(
  { clock, loadAtEdge }: Pick<ServiceDependencies, "clock" | "loadAtEdge">,
  input: UploadInput,
  existingKeys?: () => Promise<readonly StoredPrivateKey[]>,
): Promise<NewCertificate> {
  const isNeeded = existingKeys !== undefined && !bringsKey(input);
  const made = parsePemBundle(input, {
    nowMs: clock.now(),
    existingKeys: isNeeded ? await existingKeys() : undefined,
  });
  checkLoads(loadAtEdge, leafPointer(input), made.material);
  return made;
}
