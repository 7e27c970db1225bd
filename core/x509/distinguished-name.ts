/** Distinguished names: as text, and as they compare. */

import { cutText } from "../plain-text.ts";
import { elementsOf, expectTag, MalformedDer, readDer, readOid, TAG, type DerElement } from "./der.ts";

/** Short names of RFC 4514 section 3, and the two more that CAs use; any other type shows as its number. */
const ATTRIBUTE_NAMES: ReadonlyMap<string, string> = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.5", "serialNumber"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.9", "STREET"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.25", "DC"],
  ["1.2.840.113549.1.9.1", "emailAddress"],
]);

/** Characters of a shown name: more comes from no honest CA, and a list shows 200 of them. */
const MAX_CHARACTERS = 500;

export interface NameTextOptions {
  /** `ascii`: everything above 0x7e is escaped too, for headers and SMTP. */
  readonly characters: "unicode" | "ascii";
}

/**
 * A Name in DER as RFC 4514 text, the most specific part first. Control characters, line ends and
 * bidirectional marks come out as `\XX`, so the text is safe in a log line, JSON and a terminal; with `ascii`
 * also in a header. At most 500 characters, the cut shown as `...`.
 *
 * @throws MalformedDer when it is not a Name.
 */
export function distinguishedName(der: Uint8Array, options: NameTextOptions): string {
  const parts: string[] = [];
  for (const relative of elementsOf(readDer(der, TAG.sequence).content)) {
    const attributes = [...elementsOf(expectTag(relative, TAG.set).content)];
    parts.unshift(attributes.map((attribute) => attributeText(attribute, options)).join("+"));
  }
  const text = [...parts.join(",")];
  return (text.length <= MAX_CHARACTERS ? text : [...text.slice(0, MAX_CHARACTERS - 3), "..."]).join("");
}

/**
 * A text that two Names share whenever OpenSSL takes them for one (X509_NAME_cmp folds case, blanks and
 * string types). Different names may share it too: good for ruling an issuer out, never for choosing one.
 *
 * @throws MalformedDer when it is not a Name.
 */
export const comparableName = (der: Uint8Array): string =>
  comparableText(distinguishedName(der, { characters: "unicode" }));

/** `comparableName` of a Name that is already text, as `distinguishedName` writes it. */
export const comparableText = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[\s\\]+/g, "")
    .split(/[,+]/)
    .toSorted()
    .join();

function attributeText(attribute: DerElement, options: NameTextOptions): string {
  const [type, value] = elementsOf(expectTag(attribute, TAG.sequence).content);
  if (value === undefined) throw new MalformedDer("attribute without a value");
  const id = readOid(type);
  return `${ATTRIBUTE_NAMES.get(id) ?? id}=${escaped(stringOf(value), options)}`;
}

/** DirectoryString and its relatives by tag; an unknown one shows its octets as they are. */
function stringOf({ tag, content }: DerElement): string {
  if (tag === 0x0c) return Buffer.from(content).toString("utf8");
  if (tag === 0x1e) return utf16(content);
  return Buffer.from(content).toString("latin1");
}

/** BMPString: UCS-2 in big-endian order. */
function utf16(content: Uint8Array): string {
  const swapped = Buffer.from(content.subarray(0, content.length & ~1));
  return swapped.swap16().toString("utf16le");
}

/**
 * RFC 4514 section 2.4, and what no reader of a log should see raw: controls, format marks, surrogates,
 * private use.
 */
const SPECIAL = /["+,;<>\\=]/;
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;

function escaped(value: string, options: NameTextOptions): string {
  const text = Array.from(cutText(value, MAX_CHARACTERS), (character) =>
    escapedCharacter(character, options),
  );
  // A blank at either end, and a number sign in front, would be read as something else.
  if (text[0] === " " || text[0] === "#") text[0] = `\\${text[0]}`;
  if (text.length > 1 && text.at(-1) === " ") text[text.length - 1] = "\\ ";
  return text.join("");
}

function escapedCharacter(character: string, { characters }: NameTextOptions): string {
  if (SPECIAL.test(character)) return `\\${character}`;
  if (/^[\x20-\x7e]$/.test(character)) return character;
  if (characters === "unicode" && !UNSAFE.test(character)) return character;
  return Buffer.from(character, "utf8").toString("hex").toUpperCase().replace(/../g, "\\$&");
}
