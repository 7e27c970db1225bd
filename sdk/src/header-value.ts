/**
 * Values of headers that are secrets. They are checked before a header is made of them: the error of
 * `Headers.set` shows the value that it rejects.
 */

const WORD = /^[\u0021-\u007e]+$/u;
const TEXT = /^[\u0020-\u007e]+$/u;

/**
 * A word of printable ASCII; white space around it, such as the newline of its file, is left out.
 *
 * @throws TypeError, without the value
 */
export function headerWord(name: string, value: unknown): string {
  const word = typeof value === "string" ? value.trim() : "";
  if (!WORD.test(word)) throw new TypeError(`${name} must be one word of printable ASCII`);
  return word;
}

/** @throws TypeError, without the value */
export function headerText(name: string, value: unknown): string {
  if (typeof value !== "string" || !TEXT.test(value)) throw new TypeError(`${name} must be printable ASCII`);
  return value;
}
