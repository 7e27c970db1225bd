/** Answers as they are kept: sealed by a secret that the store does not hold. */

import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";
import * as z from "zod";
import { SCOPE_NAMES, type Scope } from "../../core/access/scope.ts";
import { parseStoredJson } from "../../core/stored-json.ts";

/** An answer without what is of one request alone. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** null = it is too large to be kept. */
  readonly body: string | null;
  /** That the request was judged by, beside the scope of its route; absent = kept by a release before 0.2. */
  readonly scopes?: readonly Scope[] | undefined;
}

const answerSchema = z.object({
  status: z.int().min(200).max(499),
  headers: z.array(z.tuple([z.string(), z.string()])).readonly(),
  body: z.string().nullable(),
  scopes: z.array(z.enum(SCOPE_NAMES)).readonly().optional(),
});

/** What seals an answer. */
export interface Seal {
  /** Secret: the Idempotency-Key, and the token of the caller where it has one. */
  readonly secret: string;
  /** Of the record that holds it: a sealed answer opens under no other. */
  readonly name: string;
}

/** First octet: how the rest is made. */
const VERSION = 1;
const CIPHER = "aes-256-gcm";
const PURPOSE = "postern kept answer";
const SALT_BYTES = 16;
const TAG_BYTES = 16;
/** The salt makes a new key for each answer, so that the nonce may always be the same. */
const NONCE = Buffer.alloc(12);
const BEGIN = 1 + SALT_BYTES + TAG_BYTES;

/** Octets that a sealed answer has beyond its JSON. */
export const SEAL_BYTES = BEGIN;

const keyOf = ({ secret }: Seal, salt: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", secret, salt, PURPOSE, 32));

/** Version, salt, tag and ciphertext. */
export function sealAnswer(answer: Answer, seal: Seal): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  const cipher = createCipheriv(CIPHER, keyOf(seal, salt), NONCE).setAAD(Buffer.from(seal.name));
  const text = Buffer.concat([cipher.update(JSON.stringify(answer)), cipher.final()]);
  return Buffer.concat([Buffer.from([VERSION]), salt, cipher.getAuthTag(), text]);
}

/** @returns null for one that is damaged, of a later release, or sealed by another secret. */
export function openAnswer(sealed: Uint8Array, seal: Seal): Answer | null {
  if (sealed[0] !== VERSION || sealed.byteLength < BEGIN) return null;
  const salt = sealed.subarray(1, 1 + SALT_BYTES);
  const decipher = createDecipheriv(CIPHER, keyOf(seal, salt), NONCE)
    .setAAD(Buffer.from(seal.name))
    .setAuthTag(sealed.subarray(1 + SALT_BYTES, BEGIN));
  try {
    const text = Buffer.concat([decipher.update(sealed.subarray(BEGIN)), decipher.final()]);
    return answerSchema.safeParse(parseStoredJson(text.toString())).data ?? null;
  } catch {
    return null;
  }
}

/** Name of a record: the parts are of any length and hold any character. */
export const nameOf = (parts: readonly (string | null)[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/** Hash of a request. Keyed, since a body may hold a password that could be found by trying. */
export function requestHash({ secret }: Seal, parts: readonly (string | null)[], body: Uint8Array): string {
  return createHmac("sha256", secret).update(JSON.stringify(parts)).update("\0").update(body).digest("hex");
}
