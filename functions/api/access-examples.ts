/** Examples of answers about callers, tokens, accounts and principals, by the id of the schema. */

import type * as z from "zod";
import type {
  accountListResponse,
  accountResponse,
  callerResponse,
  principalListResponse,
  principalResponse,
  tokenListResponse,
  tokenMadeResponse,
  tokenResponse,
} from "./access-response.ts";

const id = "tok_01KDW0000000000000000000T1";
const revision = 187_250_398_144_207;
const at = "2026-01-01T08:00:00.000Z";
const written = { createdAt: at, createdBy: "api-token", updatedAt: at, updatedBy: "api-token" };

const token: z.input<typeof tokenResponse> = {
  id,
  account: "default",
  label: "deploy job",
  scopes: ["domains:read", "domains:write"],
  expiresAt: null,
  lastUsedAt: "2026-01-01T08:00:00.000Z",
  createdAt: at,
  createdBy: "api-token",
  creatorGone: false,
  revision,
};

const tokenMade: z.input<typeof tokenMadeResponse> = {
  ...token,
  lastUsedAt: null,
  token: `postern_${id}_EXAMPLEexampleEXAMPLEexampleEXAMPLEexample0`,
};

const caller: z.input<typeof callerResponse> = {
  account: "default",
  homeAccount: "default",
  name: `token:${id}`,
  kind: "token",
  id,
  scopes: ["domains:read", "domains:write"],
  expiresAt: null,
};

const account: z.input<typeof accountResponse> = {
  name: "acme",
  label: "Acme",
  quotas: { domains: 100, certificates: null, trustStores: null, tokens: null },
  revision,
  ...written,
};

const principal: z.input<typeof principalResponse> = {
  arn: "arn:aws:iam::123456789012:role/deploy",
  account: "default",
  label: "deploy role",
  scopes: ["domains:read", "domains:write"],
  revision,
  ...written,
};

const page = <T>(item: T) => ({ items: [item], unreadable: [], nextCursor: null });
const tokenList: z.input<typeof tokenListResponse> = page(token);
const accountList: z.input<typeof accountListResponse> = page(account);
const principalList: z.input<typeof principalListResponse> = page(principal);

export const ACCESS_EXAMPLES: Readonly<Record<string, unknown>> = {
  Token: token,
  TokenMade: tokenMade,
  TokenList: tokenList,
  Caller: caller,
  Account: account,
  AccountList: accountList,
  Principal: principal,
  PrincipalList: principalList,
};
