import type { MailParameters } from "../../core/delivery/delivery.ts";
import { REPLIES, type SmtpReply } from "../../core/smtp/replies.ts";

export type ParsedMailParameters =
  | { readonly kind: "parameters"; readonly parameters: MailParameters }
  | { readonly kind: "refused"; readonly reply: SmtpReply };

interface Situation {
  /** REQUIRETLS is offered, and known, inside TLS only (RFC 8689 section 4). */
  readonly secure: boolean;
  readonly maxMessageBytes: number;
}

type Known = "SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS";
const FLAGS: ReadonlySet<string> = new Set<Known>(["SMTPUTF8", "REQUIRETLS"]);

const refused = (reply: SmtpReply): ParsedMailParameters => ({ kind: "refused", reply });

/** RFC 1870, 6152, 6531 and 8689; what is not offered is not understood. */
export function parseMailParameters(texts: readonly string[], situation: Situation): ParsedMailParameters {
  const given = new Map<Known, string | null>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const keyword = (equals === -1 ? text : text.slice(0, equals)).toUpperCase();
    const value = equals === -1 ? null : text.slice(equals + 1);
    if (!isKnown(keyword, situation)) return refused(REPLIES.parameterUnknown);
    // A flag takes no value, the others need one, and none may come twice (RFC 5321 section 4.1.1.11).
    if (given.has(keyword) || FLAGS.has(keyword) !== (value === null))
      return refused(REPLIES.parameterSyntax);
    given.set(keyword, value);
  }
  const size = given.get("SIZE") ?? null;
  const body = given.get("BODY")?.toUpperCase() ?? null;
  if (size !== null && !/^\d{1,20}$/.test(size)) return refused(REPLIES.parameterSyntax);
  if (body !== null && body !== "7BIT" && body !== "8BITMIME") return refused(REPLIES.parameterSyntax);
  if (size !== null && Number(size) > situation.maxMessageBytes) return refused(REPLIES.messageOverSize);
  const parameters: MailParameters = {
    size: size === null ? null : Number(size),
    body,
    smtpUtf8: given.has("SMTPUTF8"),
    requireTls: given.has("REQUIRETLS"),
  };
  return { kind: "parameters", parameters };
}

function isKnown(keyword: string, { secure }: Situation): keyword is Known {
  if (keyword === "REQUIRETLS") return secure;
  return keyword === "SIZE" || keyword === "BODY" || keyword === "SMTPUTF8";
}
