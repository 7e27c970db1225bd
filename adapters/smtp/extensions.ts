/** Extensions in a next hop's reply to EHLO. */

import type { SmtpReply } from "./reply-parser.ts";

/** What a server offers in its answer to EHLO or LHLO: keyword in upper case, and its parameters. */
export type Extensions = ReadonlyMap<string, readonly string[]>;

export const NO_EXTENSIONS: Extensions = new Map();

/** RFC 5321 section 4.1.1.1: the first line is the greeting. Lines that are no keyword are passed over. */
export function parseExtensions(reply: SmtpReply): Extensions {
  const extensions = new Map<string, readonly string[]>();
  for (const line of reply.lines.slice(1)) {
    const [keyword = "", ...parameters] = line.trim().split(/[ \t]+/);
    if (/^[a-z0-9][a-z0-9-]*$/i.test(keyword)) extensions.set(keyword.toUpperCase(), parameters);
  }
  return extensions;
}

/** RFC 1870: the largest message the server takes; null = it announces none, or 0. */
export function sizeLimit(extensions: Extensions): number | null {
  const [text = ""] = extensions.get("SIZE") ?? [];
  return /^[1-9]\d{0,15}$/.test(text) ? Number(text) : null;
}

export const offersAuthPlain = (extensions: Extensions): boolean =>
  (extensions.get("AUTH") ?? []).some((mechanism) => mechanism.toUpperCase() === "PLAIN");
