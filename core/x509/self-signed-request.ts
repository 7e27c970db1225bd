/** Request for a self-signed certificate. Apart from self-signed.ts, whose library is loaded on first use. */

import type { KeyType } from "./key-type.ts";
import type { KeyMaterial, NewCertificate } from "./serving-material.ts";

export interface SelfSignedRequest {
  /** Canonical host names or wildcards, at least one: they are not looked at here. */
  readonly names: readonly string[];
  /** One, or an ECDSA and an RSA type. Default `ecdsa-p256` alone. */
  readonly keyTypes?: readonly KeyType[] | undefined;
  /** Whole days from now to notAfter. Default 365. */
  readonly days?: number | undefined;
  /** Keys used again where their type is asked for, as at a renewal; for other types a key is made. */
  readonly existingKeys?: readonly Pick<KeyMaterial, "keyType" | "privateKeyPem">[] | undefined;
}

export const SELF_SIGNED_DEFAULTS = { keyType: "ecdsa-p256", days: 365 } as const;

/**
 * Makes a self-signed certificate: `createSelfSigned` (self-signed.ts), handed over as a function so that its
 * library, the largest of core/, is loaded only where one is made.
 */
export type MakeSelfSigned = (
  request: SelfSignedRequest,
  context: { readonly nowMs: number },
) => Promise<NewCertificate>;

/** Makes a certificate signing request (PKCS #10): `createCsr` (certificate-request.ts), as above. */
export type CreateCsr = (request: {
  readonly names: readonly string[];
  readonly privateKeyPem: string;
}) => Promise<{ readonly der: Uint8Array; readonly pem: string }>;
