import { createSelfSigned } from "../../core/x509/self-signed.ts";
import type { NewCertificate } from "../../core/x509/serving-material.ts";
import type { DomainName } from "../../core/name/domain-name.ts";

const VALID_DAYS = 365;

/**
 * A self-signed certificate for an edge's own name, to be served where the settings name none: ECDSA for
 * everyone, and RSA beside it for senders that know nothing else.
 */
export const makeOwnCertificate = (name: DomainName, nowMs: number): Promise<NewCertificate> =>
  createSelfSigned({ names: [name], keyTypes: ["ecdsa-p256", "rsa-3072"], days: VALID_DAYS }, { nowMs });
