/** A warning about a domain, and the pair of warnings for a date that ends. */

import { EXPIRING_WITHIN_MS } from "./expiry.ts";
import type { WarningCode } from "../record/warning-code.ts";

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
}

export const warning = (code: WarningCode, message: string): Warning[] => [{ code, message }];

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
