/** Port to the issuer of certificates (ACM). */

import type { Timestamp } from "../clock.ts";
import type { ValidationRecord } from "../record/certificate.ts";
import type { CertificateId } from "../name/ids.ts";
import type { PemBundle } from "../x509/pem-bundle.ts";

/** Kinds of keys that ACM takes requests for. */
export const ISSUED_KEY_TYPES = ["ecdsa-p256", "ecdsa-p384", "rsa-2048"] as const;
export type IssuedKeyType = (typeof ISSUED_KEY_TYPES)[number];

/** A certificate to be issued. Ordering the same id again is the same order. */
export interface CertificateOrder {
  readonly id: CertificateId;
  /** Canonical host names or wildcards, at least one. */
  readonly names: readonly string[];
  readonly keyType: IssuedKeyType;
}

/** How far an order is, as the issuer says it at this moment. */
export type OrderState =
  | { readonly kind: "pending"; readonly validation: readonly ValidationRecord[] }
  | {
      readonly kind: "issued";
      readonly validation: readonly ValidationRecord[];
      /** Of the newest leaf: another one than the last says that it was renewed. */
      readonly notAfter: Timestamp;
      /** What keeps it from being renewed, for people; null = nothing. */
      readonly problem: string | null;
    }
  | { readonly kind: "failed"; readonly validation: readonly ValidationRecord[]; readonly problem: string };

/**
 * A public CA that makes key and certificate, proves names by DNS, and hands both out: ACM. What it issues
 * costs money, for each name, at issue and at each renewal.
 *
 * Every implementation passes test/contract/certificate-issuer.contract.ts. Every method throws Unavailable
 * when the issuer does not answer in time.
 */
export interface CertificateIssuer {
  /**
   * @returns the issuer's own name of the order, for the methods below.
   * @throws RuleViolation when it does not take these names, or no more orders.
   */
  order(order: CertificateOrder): Promise<string>;
  /** @throws NotFound when it knows no such order. */
  describe(arn: string): Promise<OrderState>;
  /**
   * The newest issued leaf with its chain and its key, encrypted under a passphrase made for this call.
   * @throws NotFound when it knows no such order, or nothing was issued yet.
   */
  export(arn: string): Promise<PemBundle>;
  /**
   * Ends an order; unknown is not an error. @throws StateConflict (`in-use`) when something else of the
   * account serves it.
   */
  delete(arn: string): Promise<void>;
}
