import ipaddr from "ipaddr.js";
import type { MailTransaction } from "../../core/delivery/delivery.ts";
import type { Extensions } from "./extensions.ts";

/** RFC 5321 section 4.5.3.1.4, without CRLF. */
const LONGEST_COMMAND = 510;
/** Postfix: at most 255 characters for each attribute. */
const LONGEST_VALUE = 255;
const UNAVAILABLE = "[UNAVAILABLE]";

/**
 * The command with the client of this mail for the next hop (Postfix XFORWARD_README), or null where it is
 * not offered. Only the attributes that are offered; the client's name is never looked up, so it is
 * unavailable.
 */
export function xforwardCommand(extensions: Extensions, client: MailTransaction["client"]): string | null {
  const offered = (extensions.get("XFORWARD") ?? []).map((attribute) => attribute.toUpperCase());
  const attributes = Object.entries({
    NAME: UNAVAILABLE,
    ADDR: addressValue(client.address),
    HELO: heloValue(client.helo),
  });
  const words = attributes
    .filter(([name]) => offered.includes(name))
    .map(([name, value]) => `${name}=${value}`);
  return words.length === 0 ? null : ["XFORWARD", ...words].join(" ");
}

function addressValue(address: string): string {
  if (!ipaddr.isValid(address)) return UNAVAILABLE;
  return ipaddr.parse(address).kind() === "ipv6" ? `IPV6:${address}` : address;
}

function heloValue(helo: string): string {
  const value = xtext(helo);
  const isFitting = helo !== "" && helo.length <= LONGEST_VALUE && value.length <= LONGEST_COMMAND - 120;
  return isFitting ? value : UNAVAILABLE;
}

/** RFC 3461 section 4: printable ASCII but `+` and `=` as it is, each other octet of UTF-8 as +XX. */
export const xtext = (text: string): string =>
  Array.from(Buffer.from(text, "utf8"), (octet) => {
    const isPlain = octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
    return isPlain ? String.fromCharCode(octet) : `+${octet.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
