import { cutText } from "../plain-text.ts";

/** Most texts: nothing to escape. */
const PLAIN = /^[ -[\]-~]*$/;

/**
 * Printable ASCII of a text that a stranger chose: everything else, the backslash included, as `\u{…}`, cut
 * at `limit` characters, never inside an escape. For replies and logs: nothing in it can end a line, hide or
 * turn text around.
 */
export function printable(text: string, limit = 255): string {
  if (text.length <= limit && PLAIN.test(text)) return text;
  const escaped = Array.from(cutText(text, limit), escapeCharacter);
  const whole = escaped.join("");
  if (whole.length <= limit) return whole;
  let shown = "";
  for (const character of escaped) {
    if (shown.length + character.length > limit - 3) break;
    shown += character;
  }
  return `${shown}...`;
}

function escapeCharacter(character: string): string {
  const isPlain = character >= " " && character <= "~" && character !== "\\";
  return isPlain ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
