import type { Mailbox } from "./delivery.ts";

/** RFC 5321 section 4.5.3.1.3 allows 256; EAI names in UTF-8 are longer. */
const LONGEST_ADDRESS = 1024;

/** `local@domain`, the local part byte for byte. */
export const mailboxText = ({ localPart, domain }: Mailbox): string => `${localPart}@${domain}`;

/**
 * Whether an address may stand in a command or a header field as it is: whole UTF-8 without control characters or other
 * line ends. What comes here was parsed before; this is the last wall before a wire or a file.
 */
export function isSafeAddress(address: string): boolean {
  return (
    address.length <= LONGEST_ADDRESS && address.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(address)
  );
}
