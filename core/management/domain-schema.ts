/** Input schemas of domains and of their TLS settings. */

import { checkMailbox } from "../name/mailbox.ts";
import * as z from "zod";
import type { DomainView } from "./domain-view.ts";
import type { CertificateId, TrustStoreId } from "../name/ids.ts";
import type { DomainName } from "../name/domain-name.ts";
import { InvalidInput } from "../errors.ts";
import { CAPS } from "../limits.ts";
import { sameFields } from "../same-fields.ts";
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
} from "../record/domain.ts";
import {
  checked,
  distinct,
  domainNameInput,
  ignoredInput,
  labelsInput,
  namePatternInput,
  plainText,
  storedId,
} from "./input-fields.ts";
import { ACKNOWLEDGEABLE_CODES, WARNING_CODES } from "../record/warning-code.ts";
import { checkCidr, checkNextHop, checkPin, checkTimestamp, PATTERNS } from "./text-formats.ts";

/**
 * What an operator may write of a domain, with the defaults of semantics.md section 1. Only whole documents
 * pass through here, never a patch: a schema with defaults would set back what a patch leaves out.
 *
 * Counts are not limited here but in domain-rules.ts, since a cap is answered 422 and a format 400.
 */

const list = <T extends z.ZodType<string>>(item: T, cap: number) => distinct(item, cap).default([]);

const exceptionInput = z.strictObject({
  match: z.strictObject({
    clientCidr: checked(checkCidr)
      .optional()
      .meta({ pattern: PATTERNS.cidr, examples: ["192.0.2.0/24"] }),
    senderDomain: domainNameInput.optional(),
    clientName: namePatternInput.optional(),
    recipient: checked(checkMailbox)
      .optional()
      .meta({
        description: "one mailbox of this domain; letter case does not matter",
        pattern: PATTERNS.mailbox,
        maxLength: 254,
        examples: ["tlsrpt@example.com"],
      }),
  }),
  level: z.enum(TLS_LEVELS).optional(),
  clientCertificateMode: z.enum(CLIENT_CERTIFICATE_MODES).optional(),
  reason: plainText(CAPS.reasonCharacters).meta({
    description: "why this sender or recipient is judged by another rule",
  }),
  expiresAt: checked(checkTimestamp).optional().meta({ format: "date-time", pattern: PATTERNS.timestamp }),
});

export const exceptionsInput = z.array(exceptionInput).meta({ maxItems: CAPS.exceptions });

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
      trustStoreIds: list(storedId<TrustStoreId>("trust_01JD0000000000000000000000"), CAPS.trustStoreIds),
      pins: list(checked(checkPin).meta({ pattern: PATTERNS.pin }), CAPS.pins),
    })
    .prefault({}),
  names: z
    .strictObject({
      match: z.enum(NAME_MATCHES).default("helo"),
      allowed: list(namePatternInput, CAPS.allowedNames),
    })
    .prefault({}),
  purpose: z.enum(PURPOSES).default("clientAuthOrServerAuth"),
});

const tlsFields = {
  server: serverInput.prefault({}),
  clientCertificate: clientCertificateInput.prefault({}),
  enforcement: z.enum(ENFORCEMENTS).default("reject"),
  exceptions: exceptionsInput.default([]),
};

const deliveryInput = z.strictObject({
  nextHop: checked(checkNextHop).meta({
    pattern: PATTERNS.nextHop,
    examples: ["smtp://mail.example.com:25"],
  }),
  tls: z.enum(DELIVERY_TLS).default("require"),
});

const acknowledgedInput = list(z.enum(WARNING_CODES), WARNING_CODES.length).meta({
  description: `warnings of this domain that are not shown any more: ${ACKNOWLEDGEABLE_CODES.join(", ")}; others are 422`,
  examples: [["rfc3207-public-mx"]],
});

type ReadOnlyField = Exclude<keyof DomainView, keyof DomainSettings>;

/** Fields that answers carry and requests may repeat: they are never looked at. */
const READ_ONLY_FIELDS = {
  account: ignoredInput,
  revision: ignoredInput,
  createdAt: ignoredInput,
  updatedAt: ignoredInput,
  updatedBy: ignoredInput,
  ownership: ignoredInput,
  warnings: ignoredInput,
} satisfies Record<ReadOnlyField, z.ZodType>;

export const domainInput = z
  .strictObject({
    name: domainNameInput.optional().meta({ description: "absent, or the name in the path" }),
    mxHosts: list(domainNameInput, CAPS.mxHosts),
    tls: z.strictObject(tlsFields).prefault({}),
    delivery: deliveryInput.nullable().default(null),
    acknowledgedWarnings: acknowledgedInput,
    labels: labelsInput,
    ...READ_ONLY_FIELDS,
  })
  .meta({
    id: "DomainInput",
    description: "settings of a domain; what is left out takes its default",
    examples: [{ mxHosts: ["mx1.example.org"], tls: { server: { level: "require" } } }],
  });

/** The `tls` part alone, as `/tls` takes it. */
export const tlsInput = z.strictObject({ ...tlsFields, ...READ_ONLY_FIELDS }).meta({
  id: "TlsInput",
  description: "TLS settings of a domain; what is left out takes its default",
  examples: [{ server: { level: "require", minVersion: "TLSv1.3" }, enforcement: "defer" }],
});

export type DomainInput = z.output<typeof domainInput>;
export type TlsInput = z.output<typeof tlsInput>;

/**
 * The settings that a document states for the domain in the path. @throws InvalidInput when it names another
 * one.
 */
export function domainSettings(name: DomainName, input: DomainInput): DomainSettings {
  if (input.name !== undefined && input.name !== name) {
    const message = `must be the name in the path, ${JSON.stringify(name)}, or be left out`;
    throw new InvalidInput(`name ${message}`, [{ pointer: "/name", code: "name-differs", message }]);
  }
  return sameFields<DomainSettings>()({ ...withoutReadOnly(input), name });
}

export const tlsSettings = (input: TlsInput): TlsSettings =>
  sameFields<TlsSettings>()(withoutReadOnly(input));

function withoutReadOnly<T extends { readonly [K in ReadOnlyField]?: unknown }>({
  account: _account,
  revision: _revision,
  createdAt: _createdAt,
  updatedAt: _updatedAt,
  updatedBy: _updatedBy,
  ownership: _ownership,
  warnings: _warnings,
  ...settings
}: T): Omit<T, ReadOnlyField> {
  return settings;
}
