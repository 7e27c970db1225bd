/**
 * Characters that a terminal acts on: C0 and C1 controls, line separators and the direction marks of Unicode,
 * by which one text can look like another.
 */
const ACTIVE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

const hex = (character: string, digits: number): string =>
  (character.codePointAt(0) ?? 0).toString(16).padStart(digits, "0");

/** A text of one line, with what a terminal would act on written as `\x1b` or `\u202e`. */
export function terminalText(text: string): string {
  return text.replaceAll(ACTIVE, (character) =>
    character <= "\u00ff" ? String.raw`\x${hex(character, 2)}` : String.raw`\u${hex(character, 4)}`,
  );
}

/** A text of several lines, such as PEM: each line as `terminalText` writes it. */
export function terminalBlock(text: string): string {
  return text.split(/\r?\n/u).map(terminalText).join("\n");
}

/** JSON of one line that no terminal acts on: the same value with more escapes. */
export function terminalJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(ACTIVE, (character) => String.raw`\u${hex(character, 4)}`);
}
