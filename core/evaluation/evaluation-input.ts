/** Input schema of an evaluation. */

import * as z from "zod";
import { InvalidInput } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { domainInput, exceptionsInput } from "../management/domain-schema.ts";
import { checked } from "../management/input-fields.ts";
import { checkTimestamp, PATTERNS } from "../management/text-formats.ts";
import { parseAddress } from "../name/client-address.ts";
import { checkPlainText, type FormatCheck } from "../plain-text.ts";
import { MIN_VERSIONS } from "../record/domain.ts";
import { parseAddressCommand, type Path } from "../smtp/address-command.ts";
import { isGreetingName } from "../smtp/greeting-name.ts";

const checkClientAddress: FormatCheck = (text) => {
  if (text.includes("%") || parseAddress(text) === null)
    throw new InvalidInput("is not an IP address, such as 192.0.2.10 or 2001:db8::10");
};

/** RFC 6066 section 3: an A-label name. What names no MX host is taken as the edge takes it. */
const checkServerName: FormatCheck = (text) => {
  if (!/^[\x21-\x7e]{0,255}$/.test(text))
    throw new InvalidInput(
      "is no server name of a ClientHello: at most 255 printable ASCII characters, A-labels",
    );
};

const checkGreeting: FormatCheck = (text) => {
  checkPlainText(text);
  if (!isGreetingName(text))
    throw new InvalidInput(
      "is no argument of EHLO: at most 300 characters without blanks and control characters",
    );
};

/** The path between the angle brackets of MAIL or RCPT; null = the edge answers 501 or 553. */
export function pathOf(text: string, verb: "MAIL FROM" | "RCPT TO"): Path | null {
  if (!text.isWellFormed()) return null;
  const command = parseAddressCommand(Buffer.from(`${verb}:<${text}>`, "utf8"), verb);
  return command.kind === "path" && command.parameters.length === 0 ? command.path : null;
}

const checkSender: FormatCheck = (text) => {
  checkPlainText(text);
  const path = pathOf(text, "MAIL FROM");
  if (path === null || path.kind === "postmaster")
    throw new InvalidInput(
      "is no address of MAIL FROM, such as sender@example.org; empty = the null sender <>",
    );
};

const checkRecipient: FormatCheck = (text) => {
  checkPlainText(text);
  const path = pathOf(text, "RCPT TO");
  if (path === null || path.kind === "null")
    throw new InvalidInput("is no address of RCPT TO, such as recipient@example.com, or postmaster");
};

const MAX_ADDRESS = 254;
const SERVER_NAME = String.raw`^[\x21-\x7e]*$`;
const NO_BLANK = String.raw`^[^\s\u0000-\u001f\u007f-\u009f]+$`;

export const evaluationInput = z
  .strictObject({
    listener: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and hyphens")
      .optional()
      .meta({
        description:
          "name of a listener of the edges; left out = the domain's dedicated listener, or else the first shared one",
        examples: ["smtp"],
      }),
    clientAddress: checked(checkClientAddress).meta({
      description: "IP address of the sender",
      maxLength: 45,
      pattern: "^[0-9A-Fa-f:.]+$",
      examples: ["192.0.2.10"],
    }),
    sni: checked(checkServerName)
      .optional()
      .meta({
        description: "server name of the ClientHello; left out = none",
        maxLength: 255,
        pattern: SERVER_NAME,
        examples: ["mx1.example.org"],
      }),
    protocol: z
      .enum(MIN_VERSIONS)
      .nullable()
      .default(null)
      .meta({ description: "protocol that the handshake agrees on; null = the session stays in plaintext" }),
    helo: checked(checkGreeting)
      .optional()
      .meta({
        description: "argument of EHLO (in TLS, of the one after STARTTLS); left out = no host name",
        maxLength: 300,
        pattern: NO_BLANK,
        examples: ["mail.example.net"],
      }),
    clientChainPem: z.string().min(1).optional().meta({
      description: "certificates that the client has, its own first; presented where the edge requests one",
    }),
    mailFrom: checked(checkSender).meta({
      description: "address of MAIL FROM without angle brackets; empty = the null sender",
      maxLength: MAX_ADDRESS,
      pattern: PATTERNS.plainText,
      examples: ["sender@example.net"],
    }),
    rcptTo: checked(checkRecipient).meta({
      description: "address of RCPT TO without angle brackets",
      minLength: 1,
      maxLength: MAX_ADDRESS,
      pattern: PATTERNS.plainText,
      examples: ["recipient@example.org"],
    }),
    at: checked(checkTimestamp).optional().meta({
      description: "moment at which exceptions and certificates are judged; left out = now",
      format: "date-time",
      pattern: PATTERNS.timestamp,
    }),
    settings: domainInput
      .optional()
      .meta({ description: "draft of the settings of the domain of rcptTo, in place of those stored" }),
    exceptions: exceptionsInput
      .optional()
      .meta({ description: "draft of the exceptions of the domain of rcptTo, in place of those stored" }),
  })
  .meta({
    id: "EvaluationRequest",
    description: `a session of one sender; clientChainPem: at most ${CAPS.certificatePemBytes} bytes and ${CAPS.certificatesInPem} certificates`,
    examples: [
      {
        clientAddress: "192.0.2.10",
        sni: "mx1.example.org",
        protocol: "TLSv1.3",
        helo: "mail.example.net",
        mailFrom: "sender@example.net",
        rcptTo: "recipient@example.org",
      },
    ],
  });

export type EvaluationInput = z.output<typeof evaluationInput>;
