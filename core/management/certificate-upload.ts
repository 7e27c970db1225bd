/** Material that an operator brings, parsed and tried as an edge would load it. */

import type { NewCertificate, StoredPrivateKey } from "../x509/serving-material.ts";
import { bringsKey as pemBringsKey, parsePemBundle } from "../x509/pem-bundle.ts";
import type { PemMaterialInput, Pkcs12MaterialInput } from "./certificate-input.ts";
import { checkLoads } from "./load-at-edge.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

type UploadInput = PemUpload | Pkcs12UploadInput;
type PemUpload = Omit<PemMaterialInput, "otherSlot">;
type Pkcs12UploadInput = Omit<Pkcs12MaterialInput, "otherSlot">;

/** The field that holds the leaf: where an issue of the certificate as a whole points. */
export const leafPointer = ({ source }: Pick<UploadInput, "source">): string =>
  source === "pkcs12" ? "/pkcs12" : "/certificatePem";

/** Whether the upload brings a private key; a PKCS #12 must. */
export const bringsKey = (input: UploadInput): boolean => input.source === "pkcs12" || pemBringsKey(input);

/**
 * @param existingKeys keys of the certificate, for an upload without one; not asked for otherwise.
 * @throws InvalidInput, RuleViolation, TooLarge: see `parsePemBundle`, `parsePkcs12`; as `existingKeys`
 */
export async function parseUpload(
  {
    clock,
    loadAtEdge,
    readPkcs12,
    retry,
  }: Pick<ServiceDependencies, "clock" | "loadAtEdge" | "readPkcs12" | "retry">,
  input: UploadInput,
  existingKeys?: () => Promise<readonly StoredPrivateKey[]>,
): Promise<NewCertificate> {
  const nowMs = clock.now();
  const made =
    input.source === "pkcs12"
      ? await readPkcs12(input, { nowMs })
      : parsePemBundle(input, {
          nowMs,
          existingKeys: existingKeys === undefined || pemBringsKey(input) ? undefined : await existingKeys(),
        });
  // 4 ms above, 1 ms below: under `npm start` the callbacks of handshakes run in between.
  await retry.sleep(0);
  checkLoads(loadAtEdge, leafPointer(input), made.material);
  return made;
}
