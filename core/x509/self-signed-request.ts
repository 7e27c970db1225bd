/** Request for a self-signed certificate. Apart from self-signed.ts, whose library is loaded on first use. */

import type { KeyType } from "./key-type.ts";
import type { NewCertificate } from "./serving-material.ts";

export const SELF_SIGNED_KEY_TYPES = [
  "ecdsa-p256",
  "rsa-2048",
  "rsa-3072",
] as const satisfies readonly KeyType[];
export type SelfSignedKeyType = (typeof SELF_SIGNED_KEY_TYPES)[number];

export interface SelfSignedRequest {
  /** Canonical host names or wildcards, at least one: they are not looked at here. */
  readonly names: readonly string[];
  /** Default `ecdsa-p256`. */
  readonly keyType?: SelfSignedKeyType | undefined;
  /** Whole days from now to notAfter. Default 365. */
  readonly days?: number | undefined;
}

export const SELF_SIGNED_DEFAULTS = { keyType: "ecdsa-p256", days: 365 } as const;

/**
 * Makes a key and a self-signed certificate: `createSelfSigned` (self-signed.ts), handed over as a function
 * so that its library, the largest of core/, is loaded only where one is made.
 */
export type MakeSelfSigned = (
  request: SelfSignedRequest,
  context: { readonly nowMs: number },
) => Promise<NewCertificate>;
