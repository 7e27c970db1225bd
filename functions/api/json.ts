/** JSON of requests: bounded, without duplicate keys. */

import { InvalidInput, type Issue, TooLarge, toPointer } from "../../core/errors.ts";
import type { IssueCode } from "../../core/issue-code.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * Deeper than any document of this API; a bound for the recursion here and in everything that walks the
 * value.
 */
export const MAX_JSON_DEPTH = 32;

/**
 * Twice the longest list of this API, the names of a self-signed certificate. Over it every item may be
 * wrong, and zod passes its issues on as arguments of one call: at 100,000 items of `tls.exceptions` that was
 * a stack overflow (measured).
 */
export const MAX_JSON_ITEMS = 2_000;

const WHITESPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** A string with its quotes; what stands behind a backslash is checked by JSON.parse. */
const STRING = /"(?:[^"\\\u0000-\u001f]|\\[^\u0000-\u001f])*"/y;
const LITERALS: ReadonlyMap<string, null | boolean> = new Map([
  ["null", null],
  ["true", true],
  ["false", false],
]);

/**
 * Parses one JSON text (RFC 8259) more strictly than JSON.parse: a repeated key is an error, since two
 * readers of one document must not see two settings; so are a lone surrogate, a number that is not finite,
 * and great depth.
 *
 * @throws TooLarge for a list over `MAX_JSON_ITEMS`; otherwise InvalidInput with the position, never with the
 *   text: a body may hold a private key.
 */
export function parseJson(text: string): JsonValue {
  return new JsonReader(text).document();
}

class JsonReader {
  readonly #text: string;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#skipWhitespace();
    if (this.#at < this.#text.length) throw this.#malformed("something follows the JSON text");
    return value;
  }

  #value(): JsonValue {
    this.#skipWhitespace();
    const first = this.#text[this.#at];
    if (first === undefined) throw this.#malformed("the JSON text ends too early");
    if (first === "{") return this.#nested(() => this.#object());
    if (first === "[") return this.#nested(() => this.#array());
    if (first === '"') return this.#string();
    if (first === "-" || (first >= "0" && first <= "9")) return this.#number();
    return this.#literal();
  }

  #nested<T>(read: () => T): T {
    // Arrays and objects count alike; #path has one entry for each that is open.
    if (this.#path.length >= MAX_JSON_DEPTH) throw this.#malformed(`deeper than ${MAX_JSON_DEPTH} levels`);
    this.#at++;
    return read();
  }

  #object(): JsonValue {
    const members: Record<string, JsonValue> = {};
    if (this.#takes("}")) return members;
    do {
      this.#skipWhitespace();
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') throw this.#malformed("a key in double quotes was expected");
      const key = this.#string();
      this.#path.push(key);
      if (Object.hasOwn(members, key))
        throw this.#issue("duplicate-key", "this key stands here twice", keyAt);
      // No member has this name, and schemas of maps pass over it without a word.
      if (key === "__proto__") throw this.#issue("unknown-field", "this is not a known field", keyAt);
      if (!this.#takes(":")) throw this.#malformed("a colon was expected");
      members[key] = this.#value();
      this.#path.pop();
    } while (this.#takes(","));
    if (!this.#takes("}")) throw this.#malformed("a comma or a closing brace was expected");
    return members;
  }

  #array(): JsonValue {
    const items: JsonValue[] = [];
    if (this.#takes("]")) return items;
    do {
      if (items.length === MAX_JSON_ITEMS) throw this.#tooManyItems();
      this.#path.push(items.length);
      items.push(this.#value());
      this.#path.pop();
    } while (this.#takes(","));
    if (!this.#takes("]")) throw this.#malformed("a comma or a closing bracket was expected");
    return items;
  }

  #string(): string {
    const startedAt = this.#at;
    const quoted = this.#match(STRING);
    if (quoted === null) throw this.#malformed("a string is not closed or holds a raw control character");
    const value = unquote(quoted);
    if (value === null) throw this.#issue("malformed-json", "a string holds an unknown escape", startedAt);
    if (!value.isWellFormed())
      throw this.#issue("malformed-json", "a string holds half of a surrogate pair", startedAt);
    return value;
  }

  #number(): number {
    const startedAt = this.#at;
    const digits = this.#match(NUMBER);
    if (digits === null) throw this.#malformed("a number is malformed");
    const value = Number(digits);
    if (!Number.isFinite(value)) throw this.#issue("malformed-json", "a number is too large", startedAt);
    return value;
  }

  #literal(): null | boolean {
    for (const [word, value] of LITERALS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    throw this.#malformed("a value was expected");
  }

  #takes(character: string): boolean {
    this.#skipWhitespace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skipWhitespace(): void {
    this.#match(WHITESPACE);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return null;
    this.#at += found.length;
    return found;
  }

  #tooManyItems(): TooLarge {
    const message = `holds more than ${MAX_JSON_ITEMS} items`;
    const pointer = toPointer(this.#path);
    return new TooLarge(`A list of the body ${message}.`, [{ pointer, code: "too-large", message }]);
  }

  #malformed(what: string): InvalidInput {
    return this.#issue("malformed-json", what, this.#at);
  }

  #issue(code: IssueCode, what: string, at: number): InvalidInput {
    const before = this.#text.slice(0, at);
    const line = before.split("\n").length;
    const column = at - before.lastIndexOf("\n");
    const issue: Issue = {
      pointer: toPointer(this.#path),
      code,
      message: `${what} (line ${line}, column ${column})`,
    };
    return new InvalidInput(`The body is not acceptable JSON: ${issue.message}.`, [issue]);
  }
}

function unquote(quoted: string): string | null {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return null;
  }
}
