import * as z from "zod";
import { Unreadable } from "../errors.ts";
import { parseStoredJson } from "../stored-json.ts";
import type { TrustStoreContent } from "../record/trust-store.ts";

const CONTENT: z.ZodType<TrustStoreContent> = z.object({
  certificatesPem: z.string().min(1),
  crlPem: z.string().nullable(),
});

/**
 * Reads back what `trust/<sha256>` holds. Fields of later releases are ignored.
 *
 * @throws Unreadable when the bytes are not the content of a trust store.
 */
export function decodeTrustStoreContent(bytes: Uint8Array): TrustStoreContent {
  const parsed = CONTENT.safeParse(parseStoredJson(bytes));
  if (!parsed.success) throw new Unreadable("stored trust-store content cannot be read by this release");
  return parsed.data;
}
