/** A warning about a domain, and the pair of warnings for a date that ends. */

import { EXPIRING_WITHIN_MS } from "./expiry.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { WarningCode } from "../record/warning-code.ts";

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
}

export const warning = (code: WarningCode, message: string): Warning[] => [{ code, message }];

/** Leaves that are served without the certificate of their issuer, which is not known to be a root. */
export const issuerWarnings = ({ id, keys }: Pick<CertificateRecord, "id" | "keys">): Warning[] =>
  keys
    .filter(({ issuerMissing }) => issuerMissing === true)
    .map(({ issuer = "" }) => ({
      code: "certificate-issuer-missing",
      message: `certificate ${id} is served without the certificate of its issuer ${issuer}: senders that do not have it cannot verify; upload it as a part of the chain`,
    }));

interface EndingWords {
  readonly expired: WarningCode;
  readonly expiring: WarningCode;
  readonly text: string;
  readonly withinMs?: number;
}

export function ending(
  end: string,
  nowMs: number,
  { expired, expiring, text, withinMs }: EndingWords,
): Warning[] {
  const leftMs = Date.parse(end) - nowMs;
  if (leftMs <= 0) return warning(expired, text);
  return leftMs <= (withinMs ?? EXPIRING_WITHIN_MS) ? warning(expiring, text) : [];
}
