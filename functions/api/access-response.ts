/** Schemas of callers, tokens, accounts and principals in answers. */

import * as z from "zod";
import { type AccountRecord, type PrincipalRecord } from "../../core/access/access-record.ts";
import { CALLER_KINDS, SCOPE_NAMES } from "../../core/access/scope.ts";
import type { TokenMade, TokenView } from "../../core/management/token-service.ts";
import { schemaOf } from "../../core/same-fields.ts";
import { revision, time } from "./domain-response.ts";

const scopes = z.array(z.enum(SCOPE_NAMES)).readonly();
const label = z.string().nullable();
const quota = z.int().min(0).nullable();

export const callerResponse = z
  .strictObject({
    account: z.string().meta({ description: "the account that the request acts in" }),
    homeAccount: z.string().meta({ description: "the account of the credentials" }),
    name: z.string().meta({ description: "name of the caller, as the change log has it" }),
    kind: z.enum(CALLER_KINDS).meta({ description: "kind of the credentials" }),
    id: z.string().nullable().meta({
      description: "id of the token, ARN of the principal, or subject of the JWT; null = API_TOKEN",
    }),
    scopes,
    expiresAt: time
      .nullable()
      .meta({ description: "end of the credentials; null = never, or not known here" }),
  })
  .meta({ id: "Caller" });

const tokenFields = {
  id: z.string(),
  account: z.string(),
  label,
  scopes,
  expiresAt: time.nullable(),
  lastUsedAt: time.nullable().meta({ description: "time of the last use, to the hour; null = not used yet" }),
  createdAt: time,
  createdBy: z.string(),
  creatorGone: z.boolean().meta({
    description:
      "whether the token or principal that made it has been deleted; it works until it is deleted itself",
  }),
  revision,
};

export const tokenResponse = schemaOf<TokenView>()(z.strictObject(tokenFields).meta({ id: "Token" }));
export const tokenMadeResponse = schemaOf<TokenMade>()(
  z
    .strictObject({
      ...tokenFields,
      token: z.string().meta({ description: "the bearer token; no other answer shows it" }),
    })
    .meta({ id: "TokenMade" }),
);

const written = { revision, createdAt: time, createdBy: z.string(), updatedAt: time, updatedBy: z.string() };

export const accountResponse = schemaOf<AccountRecord>()(
  z
    .strictObject({
      name: z.string(),
      label,
      quotas: z.strictObject({ domains: quota, certificates: quota, trustStores: quota, tokens: quota }),
      ...written,
    })
    .meta({ id: "Account" }),
);

export const principalResponse = schemaOf<PrincipalRecord>()(
  z
    .strictObject({
      arn: z.string().meta({ description: "ARN of the principal; that of a role has no path" }),
      account: z.string(),
      label,
      scopes,
      ...written,
    })
    .meta({ id: "Principal" }),
);

const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({
    items: z.array(item).readonly(),
    unreadable: z
      .array(z.strictObject({ id: z.string(), problem: z.string() }))
      .readonly()
      .meta({ description: "records of this page that cannot be read" }),
    nextCursor: z.string().nullable(),
  });

export const tokenListResponse = pageOf(tokenResponse).meta({ id: "TokenList" });
export const accountListResponse = pageOf(accountResponse).meta({ id: "AccountList" });
export const principalListResponse = pageOf(principalResponse).meta({ id: "PrincipalList" });
