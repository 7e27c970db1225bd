/** Bearer tokens as callers hold them: `postern_<id>_<secret>`. */

import { createHash, timingSafeEqual } from "node:crypto";
import { isTokenId, type TokenId } from "../name/ids.ts";

/** 256 bits. */
export const SECRET_BYTES = 32;
/** The secret is base64url, which may hold `_` itself: ids are of fixed length. */
const TOKEN = /^postern_(?<id>tok_[0-9A-Z]{26})_(?<secret>[A-Za-z0-9_-]{43})$/;

export const tokenText = (id: TokenId, secret: string): string => `postern_${id}_${secret}`;

export function readTokenText(text: string): { readonly id: TokenId; readonly secret: string } | null {
  const { id = "", secret = "" } = TOKEN.exec(text)?.groups ?? {};
  return isTokenId(id) ? { id, secret } : null;
}

/** One round of a fast hash is enough: the secret is random, and cannot be guessed from a list. */
export const secretHash = (secret: string): string => createHash("sha256").update(secret).digest("hex");

/** In constant time. */
export const isSecretOf = (secretSha256: string, secret: string): boolean =>
  timingSafeEqual(Buffer.from(secretSha256, "hex"), Buffer.from(secretHash(secret), "hex"));
