/** Schemas of the documents that make accounts, tokens and principals. */

import * as z from "zod";
import { ACCOUNT_NAME } from "../access/account-name.ts";
import type { Quotas } from "../access/access-record.ts";
import { SCOPE_NAMES } from "../access/scope.ts";
import { CAPS } from "../limits.ts";
import { checked, distinct, ignoredInput, labelInput } from "./input-fields.ts";
import { checkTimestamp, PATTERNS } from "./text-formats.ts";

export const accountName = z
  .string()
  .regex(ACCOUNT_NAME, "must be 1 to 40 of a-z, 0-9 and hyphens, with a letter or digit first and last")
  .meta({ maxLength: 40, examples: ["acme"] });

const scopes = distinct(z.enum(SCOPE_NAMES), SCOPE_NAMES.length).max(SCOPE_NAMES.length);

export const tokenInput = z
  .strictObject({
    label: labelInput,
    scopes: scopes
      .min(1)
      .meta({ minItems: 1, description: "scopes of the token, each one of the caller's own" }),
    account: accountName.optional().meta({
      description: "left out = the caller's own; another needs the scope operator",
      pattern: ACCOUNT_NAME.source,
      maxLength: 40,
    }),
    expiresAt: checked(checkTimestamp).nullable().default(null).meta({
      format: "date-time",
      pattern: PATTERNS.timestamp,
      description: "time at which the token expires; null = never",
    }),
  })
  .meta({
    id: "TokenInput",
    description: "scopes and lifetime of a new token",
    examples: [{ label: "deploy job", scopes: ["domains:read", "domains:write"] }],
  });
export type TokenInput = z.output<typeof tokenInput>;

const quota = z.int().min(0).max(CAPS.quota).nullable().default(null);

export const accountDocument = z
  .strictObject({
    label: labelInput,
    quotas: z
      .strictObject({
        domains: quota,
        certificates: quota,
        trustStores: quota,
        tokens: quota,
      } satisfies Record<keyof Quotas, z.ZodType>)
      .prefault({})
      .meta({ description: "most records of each kind; null = no quota" }),
    name: accountName.optional(),
    revision: ignoredInput,
    createdAt: ignoredInput,
    createdBy: ignoredInput,
    updatedAt: ignoredInput,
    updatedBy: ignoredInput,
  })
  .meta({
    id: "AccountDocument",
    description: "an account; what was read may be sent back",
    examples: [{ label: "Acme", quotas: { domains: 100 } }],
  });
export type AccountDocument = z.output<typeof accountDocument>;

export const principalDocument = z
  .strictObject({
    label: labelInput,
    account: accountName.optional().meta({
      description: "left out = the caller's own; another needs the scope operator",
      pattern: ACCOUNT_NAME.source,
      maxLength: 40,
    }),
    scopes: scopes.meta({
      description: "scopes of the principal, each one of the caller's own; empty = GET /v1/whoami alone",
    }),
    arn: ignoredInput,
    revision: ignoredInput,
    createdAt: ignoredInput,
    createdBy: ignoredInput,
    updatedAt: ignoredInput,
    updatedBy: ignoredInput,
  })
  .meta({
    id: "PrincipalDocument",
    description: "scopes and account of an IAM principal; what was read may be sent back",
    examples: [{ label: "deploy role", scopes: ["domains:read", "domains:write"] }],
  });
export type PrincipalDocument = z.output<typeof principalDocument>;
