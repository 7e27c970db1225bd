/** Checks and bounds of texts that others chose. */

import { InvalidInput } from "./errors.ts";

/**
 * The first `limit` UTF-16 units of a text that others chose, without half of a surrogate pair at the end.
 */
export const cutText = (text: string, limit: number): string =>
  text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");

/**
 * Formats of single fields of a domain. Each checks that a text is the one canonical spelling, so that what
 * was written is what is read back and what is compared.
 *
 * @throws InvalidInput with a sentence for people; where there is a canonical spelling, the message shows it.
 */
export type FormatCheck = (text: string) => void;

const HIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** RFC 7468 section 2; OpenSSH's, PGP's and PuTTY's own forms. */
const PRIVATE_KEY = /BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File/i;

/** No text may hold control or format characters that hide or reorder it in a log or a terminal. */
export const checkPlainText: FormatCheck = (text) => {
  if (text.search(HIDDEN) !== -1)
    throw new InvalidInput("holds control characters or characters that change the direction of text");
  // Texts are shown to every reader, and logged as changes.
  if (PRIVATE_KEY.test(text))
    throw new InvalidInput("holds a private key; replace that key, since it was sent as plain text");
};

/**
 * A text of another system, made one that `checkPlainText` passes: hidden characters and runs of blanks
 * become one blank each; at most `limit` UTF-16 units.
 */
export function toPlainText(text: string, limit: number): string {
  // Cut first, so that a megabyte is not searched; what blanks take is rarely missed.
  const plain = cutText(text, limit).toWellFormed().replaceAll(HIDDEN, " ").replaceAll(/\s+/g, " ").trim();
  return PRIVATE_KEY.test(plain) ? "(a text with a private key, not shown)" : plain;
}
