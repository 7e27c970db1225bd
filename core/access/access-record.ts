/** The stored account, token and principal, and the reader of each. */

import * as z from "zod";
import { OPERATOR_ACCOUNT } from "../actor.ts";
import type { Timestamp } from "../clock.ts";
import { Unreadable } from "../errors.ts";
import { schemaOf } from "../same-fields.ts";
import { parseStoredJson } from "../stored-json.ts";
import { isAccountName } from "./account-name.ts";
import { CALLER_KINDS, type CallerKind } from "./scope.ts";

interface Created {
  /** From 2, in no order, and never used again for the same id: the entity tag of the record. */
  readonly revision: number;
  readonly createdAt: Timestamp;
  readonly createdBy: string;
}

interface Written extends Created {
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}

export const QUOTA_NAMES = ["domains", "certificates", "trustStores", "tokens"] as const;
/** Most records of each kind; null = as many as there is room for. */
export type Quotas = Readonly<Record<(typeof QUOTA_NAMES)[number], number | null>>;

export const NO_QUOTAS: Quotas = { domains: null, certificates: null, trustStores: null, tokens: null };

export interface AccountRecord extends Written {
  readonly name: string;
  readonly label: string | null;
  readonly quotas: Quotas;
}

/** Whose credentials made a token. */
export interface TokenCreator {
  readonly kind: CallerKind;
  /** Id of the token, ARN of the principal, or subject of the JWT; null = API_TOKEN. */
  readonly id: string | null;
}

/** It never changes: only when it was used is noted, outside the record. */
export interface TokenRecord extends Created {
  readonly id: string;
  readonly account: string;
  readonly label: string | null;
  /** May hold scopes of a later release, which give nothing here. */
  readonly scopes: readonly string[];
  /** Of the secret, lower-case hex. Shown by no answer. */
  readonly secretSha256: string;
  readonly expiresAt: Timestamp | null;
  readonly creator: TokenCreator;
}

export interface PrincipalRecord extends Written {
  readonly arn: string;
  readonly account: string;
  readonly label: string | null;
  /** May hold scopes of a later release, which give nothing here. */
  readonly scopes: readonly string[];
}

const created = { revision: z.int().min(1), createdAt: z.string(), createdBy: z.string() };
const written = { ...created, updatedAt: z.string(), updatedBy: z.string() };
const account = z.string().refine(isAccountName);
const label = z.string().nullable();
const scopes = z.array(z.string());
const quota = z.int().min(0).nullable().default(null);

/** One kind of stored record: its id, the account that it belongs to, and its schema. */
export interface AccessKind<R> {
  readonly kind: "account" | "token" | "principal";
  readonly idOf: (record: R) => string;
  readonly accountOf: (record: R) => string;
  readonly schema: z.ZodType<R>;
}

/** All accounts belong to the operator's. */
export const ACCOUNTS: AccessKind<AccountRecord> = {
  kind: "account",
  idOf: ({ name }) => name,
  accountOf: () => OPERATOR_ACCOUNT,
  schema: schemaOf<AccountRecord>()(
    z.object({
      ...written,
      name: account,
      label,
      quotas: z.object({ domains: quota, certificates: quota, trustStores: quota, tokens: quota }),
    }),
  ),
};

export const TOKENS: AccessKind<TokenRecord> = {
  kind: "token",
  idOf: ({ id }) => id,
  accountOf: (record) => record.account,
  schema: schemaOf<TokenRecord>()(
    z.object({
      ...created,
      id: z.string(),
      account,
      label,
      scopes,
      secretSha256: z.string().regex(/^[0-9a-f]{64}$/),
      expiresAt: z.iso.datetime().nullable(),
      creator: z.object({ kind: z.enum(CALLER_KINDS), id: z.string().nullable() }),
    }),
  ),
};

export const PRINCIPALS: AccessKind<PrincipalRecord> = {
  kind: "principal",
  idOf: ({ arn }) => arn,
  accountOf: (record) => record.account,
  schema: schemaOf<PrincipalRecord>()(z.object({ ...written, arn: z.string(), account, label, scopes })),
};

/** @param stored JSON. @throws Unreadable without its content. */
export function readAccessRecord<R>(kind: AccessKind<R>, id: string, stored: string): R {
  const { data } = kind.schema.safeParse(parseStoredJson(stored));
  // An item under another id would give its rights to that one.
  if (data === undefined || kind.idOf(data) !== id)
    throw new Unreadable(`the stored ${kind.kind} cannot be read by this release`);
  return data;
}
