import type { Mailbox } from "./delivery.ts";

/** RFC 5321 section 4.5.3.1.3 allows 256; EAI names in UTF-8 are longer. */
const LONGEST_ADDRESS = 1024;

/** `local@domain`, the local part byte for byte. */
export const mailboxText = ({ localPart, domain }: Mailbox): string => `${localPart}@${domain}`;

/**
 * Whether an address may stand between angle brackets, in a command or a header field, as it is: whole UTF-8, no control
 * characters or other line ends, and no blank or bracket outside a quoted local part, which would add parameters.
 * What comes here was parsed before; this is the last wall before a wire or a file.
 */
export function isSafeAddress(address: string): boolean {
  if (address.length > LONGEST_ADDRESS || !address.isWellFormed()) return false;
  return (
    /^(?:"(?:[^"\\]|\\.)*"(?:@[^\s<>"]*)?|[^\s<>]*)$/u.test(address) && !/[\p{Cc}\u2028\u2029]/u.test(address)
  );
}

/**
 * Whether a local part hides another destination that some mail servers would relay to: `user%other`, `other!user`,
 * `"user@other"` (RFC 5321 section 3.6.1, Postfix allow_percent_hack and swap_bangpath). Our caller was checked for the
 * domain that is written, so such an address must not reach a server that trusts us.
 */
export const isSourceRoute = ({ localPart }: Mailbox): boolean => /[%!@]/.test(localPart);
