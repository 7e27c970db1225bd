/** Most texts: nothing to escape. */
const PLAIN = /^[ -[\]-~]*$/;

/**
 * Printable ASCII of a text that a stranger chose: everything else, the backslash included, as `\u{…}`, cut at `limit`
 * characters. For replies and logs: nothing in it can end a line, hide or turn text around.
 */
export function printable(text: string, limit = 255): string {
  if (text.length <= limit && PLAIN.test(text)) return text;
  const whole = Array.from(text.slice(0, limit), escapeCharacter).join("");
  return whole.length > limit ? `${whole.slice(0, limit - 3)}...` : whole;
}

function escapeCharacter(character: string): string {
  const isPlain = character >= " " && character <= "~" && character !== "\\";
  return isPlain ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
