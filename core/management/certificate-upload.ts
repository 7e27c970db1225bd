/** Material that an operator brings, parsed and tried as an edge would load it. */

import type { NewCertificate, StoredPrivateKey } from "../x509/serving-material.ts";
import { parsePemBundle } from "../x509/pem-bundle.ts";
import type { MaterialInput } from "./certificate-input.ts";
import { checkLoads } from "./load-at-edge.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** @throws InvalidInput, RuleViolation, TooLarge: see `parsePemBundle` */
export function parseUpload(
  { clock, loadAtEdge }: Pick<ServiceDependencies, "clock" | "loadAtEdge">,
  input: Omit<MaterialInput, "otherSlot">,
  existingKeys?: readonly StoredPrivateKey[],
): NewCertificate {
  const made = parsePemBundle(input, { nowMs: clock.now(), existingKeys });
  checkLoads(loadAtEdge, "/certificatePem", made.material);
  return made;
}
