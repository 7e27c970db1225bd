import * as z from "zod";
import type { CertificateId, TrustStoreId } from "../certificate/ids.ts";
import { type DomainName, parseDomainName, parseNamePattern } from "../domain-name/domain-name.ts";
import { InvalidInput } from "../errors.ts";
import { CAPS } from "../limits.ts";
import {
  CLIENT_CERTIFICATE_MODES,
  DELIVERY_TLS,
  type DomainSettings,
  ENFORCEMENTS,
  MIN_VERSIONS,
  NAME_MATCHES,
  PURPOSES,
  TLS_LEVELS,
  type TlsSettings,
} from "./domain.ts";
import { issuesOf } from "./schema-issues.ts";
import {
  checkCidr,
  checkNextHop,
  checkPin,
  checkPlainText,
  checkTimestamp,
  type FormatCheck,
} from "./text-formats.ts";

/**
 * What an operator may write of a domain, with the defaults of semantics.md section 1. Only whole documents pass
 * through here, never a patch: a schema with defaults would set back what a patch leaves out.
 *
 * Counts are not limited here but in rules.ts, since a cap is answered 422 and a format 400.
 */

/** A text that `parse` takes; its message becomes the issue's. */
const parsed = <T extends string>(parse: (text: string) => T) =>
  z.string().transform((text, context): T => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error;
      context.issues.push({ code: "custom", message: error.message, input: text });
      return z.NEVER;
    }
  });

const checked = (check: FormatCheck) =>
  parsed((text) => {
    check(text);
    return text;
  });

export const domainNameInput = parsed(parseDomainName).meta({
  description: "lower-case A-label name without a trailing dot",
  examples: ["example.com"],
});
export const namePatternInput = parsed(parseNamePattern).meta({
  description: "an A-label name, or `*.` and one",
  examples: ["*.example.com"],
});

/** An id of any shape is only looked up: one that is not stored is 422, whatever it looks like. */
const storedId = <T extends string>(example: string) =>
  z
    .string()
    .min(1)
    .max(100)
    .transform((text) => text as T)
    .meta({ examples: [example] });

const plainText = (maxLength: number) =>
  checked(checkPlainText)
    .pipe(z.string().regex(/\S/, "says nothing").max(maxLength))
    .meta({ minLength: 1, maxLength });

export const labelInput = checked(checkPlainText)
  .pipe(z.string().max(CAPS.labelCharacters))
  .nullable()
  .default(null)
  .meta({ description: "for people", maxLength: CAPS.labelCharacters });

/** Each value once: a repeated one is a mistake of the writer, and counts would differ from what is meant. */
const distinct = <T extends z.ZodType<string>>(item: T, cap: number) =>
  z
    .array(item)
    .superRefine((values, context) => {
      // A list over its cap is refused anyway.
      if (values.length > cap) return;
      const seen = new Set<string>();
      for (const [index, value] of values.entries()) {
        if (!seen.has(value)) {
          seen.add(value);
          continue;
        }
        context.addIssue({
          code: "custom",
          path: [index],
          message: `${JSON.stringify(value)} is in this list twice`,
          params: { code: "duplicate" },
        });
      }
    })
    .default([])
    .meta({ maxItems: cap, uniqueItems: true });

const exceptionInput = z.strictObject({
  match: z.strictObject({
    clientCidr: checked(checkCidr)
      .optional()
      .meta({ examples: ["192.0.2.0/24"] }),
    senderDomain: domainNameInput.optional(),
    clientName: namePatternInput.optional(),
  }),
  level: z.enum(TLS_LEVELS).optional(),
  clientCertificateMode: z.enum(CLIENT_CERTIFICATE_MODES).optional(),
  reason: plainText(CAPS.reasonCharacters).meta({ description: "why this sender is judged by another rule" }),
  expiresAt: checked(checkTimestamp).optional().meta({ format: "date-time" }),
});

const serverInput = z.strictObject({
  level: z.enum(TLS_LEVELS).default("accept"),
  certificateId: storedId<CertificateId>("cert_01JD0000000000000000000000").nullable().default(null),
  minVersion: z.enum(MIN_VERSIONS).default("TLSv1.2"),
});

const clientCertificateInput = z.strictObject({
  mode: z.enum(CLIENT_CERTIFICATE_MODES).default("none"),
  trust: z
    .strictObject({
      publicRoots: z.boolean().default(false),
      trustStoreIds: distinct(storedId<TrustStoreId>("trust_01JD0000000000000000000000"), CAPS.trustStoreIds),
      pins: distinct(checked(checkPin), CAPS.pins),
    })
    .prefault({}),
  names: z
    .strictObject({
      match: z.enum(NAME_MATCHES).default("helo"),
      allowed: distinct(namePatternInput, CAPS.allowedNames),
    })
    .prefault({}),
  purpose: z.enum(PURPOSES).default("clientAuthOrServerAuth"),
});

const tlsFields = {
  server: serverInput.prefault({}),
  clientCertificate: clientCertificateInput.prefault({}),
  enforcement: z.enum(ENFORCEMENTS).default("reject"),
  exceptions: z.array(exceptionInput).default([]).meta({ maxItems: CAPS.exceptions }),
};

const deliveryInput = z.strictObject({
  nextHop: checked(checkNextHop).meta({ examples: ["smtp://mail.example.com:25"] }),
  tls: z.enum(DELIVERY_TLS).default("require"),
});

const ignored = z
  .unknown()
  .optional()
  .meta({ readOnly: true, description: "may be sent back as read; ignored" });

/** Fields that answers carry and requests may repeat: they are never looked at. */
export const READ_ONLY_FIELDS = {
  account: ignored,
  revision: ignored,
  createdAt: ignored,
  updatedAt: ignored,
  updatedBy: ignored,
  warnings: ignored,
};

export const domainInput = z.strictObject({
  name: domainNameInput.optional().meta({ description: "may be left out; otherwise the name in the path" }),
  mxHosts: distinct(domainNameInput, CAPS.mxHosts),
  tls: z.strictObject(tlsFields).prefault({}),
  delivery: deliveryInput.nullable().default(null),
  ...READ_ONLY_FIELDS,
});

/** The `tls` part alone, as `/tls` takes it. */
export const tlsInput = z.strictObject({ ...tlsFields, ...READ_ONLY_FIELDS });

export type DomainInput = z.output<typeof domainInput>;
export type TlsInput = z.output<typeof tlsInput>;

/** The settings that a document states for the domain in the path. @throws InvalidInput when it names another one. */
export function domainSettings(name: DomainName, input: DomainInput): DomainSettings {
  if (input.name !== undefined && input.name !== name) {
    const message = `must be the name in the path, ${JSON.stringify(name)}, or be left out`;
    throw new InvalidInput(`name ${message}`, [{ pointer: "/name", code: "name-differs", message }]);
  }
  return { name, mxHosts: input.mxHosts, tls: tlsSettings(input.tls), delivery: input.delivery };
}

export const tlsSettings = ({
  server,
  clientCertificate,
  enforcement,
  exceptions,
}: TlsSettings): TlsSettings => ({
  server,
  clientCertificate,
  enforcement,
  exceptions,
});

/** @throws InvalidInput with every mistake at its pointer. */
export function parseDocument<T extends z.ZodType>(schema: T, document: unknown): z.output<T> {
  const result = schema.safeParse(document);
  if (result.success) return result.data;
  throw new InvalidInput("The document does not have the form that is asked for.", issuesOf(result.error));
}
