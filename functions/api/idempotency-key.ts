/** The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), and conflicts under one. */

import { InvalidInput } from "../../core/errors.ts";

export const IDEMPOTENCY_KEY = "Idempotency-Key";
export const REPLAYED = "Idempotency-Replayed";

const MAX_KEY = 255;
/** Bare characters: visible ASCII without those of a list, of a parameter, or of a quoted string. */
const BARE = String.raw`[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,${MAX_KEY}}`;
/** A string of RFC 8941 section 3.3.3. */
const QUOTED = String.raw`"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,${MAX_KEY}}"`;

/**
 * The draft has a quoted string; most clients send the same text without quotes. Both are taken, as the same
 * key.
 */
export const KEY_PATTERN = `^(?:${QUOTED}|${BARE})$`;
const KEY = new RegExp(KEY_PATTERN);

/** @throws InvalidInput */
export function readIdempotencyKey(text: string): string {
  if (!KEY.test(text)) throw invalidKey(`must be 1 to ${MAX_KEY} characters of ASCII, quoted or not`);
  return text.startsWith('"') ? text.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : text;
}

const invalidKey = (message: string): InvalidInput =>
  new InvalidInput(`The header ${IDEMPOTENCY_KEY} is not valid.`, [
    { in: "header", pointer: `/${IDEMPOTENCY_KEY.toLowerCase()}`, code: "invalid-header", message },
  ]);

/** Characters of base64url for 128 bits. */
const UNGUESSABLE = 22;

/**
 * Of a request whose answer holds a secret: the answer is sealed by the key, which must not be guessed.
 *
 * @throws InvalidInput
 */
export function requireUnguessableKey(text: string | undefined): void {
  if (text !== undefined && readIdempotencyKey(text).length < UNGUESSABLE)
    throw invalidKey(`must be random and have at least ${UNGUESSABLE} characters here: it seals the secret`);
}

export type KeyProblem = "idempotency-key-reused" | "request-in-progress" | "answer-not-kept";

/** A request under a key that was sent before, and that cannot be answered as that one was. 409 or 422. */
export class KeyConflict extends Error {
  override readonly name = "KeyConflict";
  readonly code: KeyProblem;
  /** Of the answer that was not kept. */
  readonly location: string | null;
  constructor(code: KeyProblem, location: string | null = null) {
    super(DETAILS[code]);
    this.code = code;
    this.location = location;
  }
}

const DETAILS: Readonly<Record<KeyProblem, string>> = {
  "idempotency-key-reused": "another request was sent under this Idempotency-Key: use a new key",
  "request-in-progress": "the first request under this Idempotency-Key has no answer yet",
  "answer-not-kept":
    "the first request under this Idempotency-Key was carried out, and its answer is not kept: read what it has made",
};
