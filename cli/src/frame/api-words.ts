/** What the API calls by words of HTTP, as the command line calls it. */
const WORDS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/\bsend If-Match\b/gu, "give --if-match"],
  [/\bIf-Match: "?(\d+|\*)"?/gu, "--if-match $1"],
  [/\bIf-None-Match: \*/gu, "--if-absent"],
  [/\bIf-Match\b/gu, "--if-match"],
  [/\?sharedHosts=move\b/gu, "--move-shared-hosts"],
  [/\?replaceWith=/gu, "--replace-with "],
  [/\b(?:the header )?Postern-Account\b/gu, "--account"],
  [/: Authorization: Bearer …/gu, ""],
];

/** A text of the API in the words of the command line. */
export const inCliWords = (text: string): string =>
  WORDS.reduce((result, [pattern, words]) => result.replaceAll(pattern, words), text);

/** Options that stand for a parameter or header of another name. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["sharedHosts", "move-shared-hosts"],
  ["certificateId", "certificate"],
  ["label", "labels"],
  ["order", "newest"],
  ["postern-account", "account"],
]);

/** The option that stands for a parameter of a query, or a header. */
export const optionOfApi = (name: string): string =>
  `--${OPTIONS.get(name) ?? name.replaceAll(/[A-Z]/gu, (letter) => `-${letter.toLowerCase()}`)}`;

/** A JSON pointer (RFC 6901) as commands write paths: `tls.exceptions.0.reason`. */
export const dottedPath = (pointer: string): string =>
  pointer.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~");
