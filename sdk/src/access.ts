import {
  type Call,
  type CallOptions,
  type ConditionOptions,
  dataOf,
  type KeyOptions,
  recordOf,
  type Tagged,
} from "./call.ts";
import type { QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type {
  Account,
  AccountDocument,
  AccountPage,
  Principal,
  PrincipalDocument,
  PrincipalPage,
  Token,
  TokenInput,
  TokenMade,
  TokenPage,
} from "./schemas.ts";

const TOKENS = "/v1/tokens";
const TOKEN = "/v1/tokens/{id}";
const ACCOUNTS = "/v1/accounts";
const ACCOUNT = "/v1/accounts/{account}";
const PRINCIPALS = "/v1/principals";
const PRINCIPAL = "/v1/principals/{arn}";

export type TokenFilter = QueryOf<"/v1/tokens", "get">;
export type AccountFilter = QueryOf<"/v1/accounts", "get">;
export type PrincipalFilter = QueryOf<"/v1/principals", "get">;

export interface Tokens {
  list(filter?: TokenFilter, options?: CallOptions): List<TokenPage>;
  get(id: string, options?: ConditionOptions): Promise<Tagged<Token>>;
  /** The answer is the only one that has the token itself. */
  create(token: TokenInput, options?: KeyOptions): Promise<Tagged<TokenMade>>;
  delete(id: string, options: ConditionOptions): Promise<void>;
}

export function tokens(call: Call): Tokens {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", TOKENS, { query: { ...filter, cursor }, options })),
      ),
    get: (id, options = {}) => recordOf(call("get", TOKEN, { path: { id }, options })),
    create: (body, options = {}) => recordOf(call("post", TOKENS, { body, options })),
    delete: (id, options) => dataOf(call("delete", TOKEN, { path: { id }, options })),
  };
}

export interface Accounts {
  list(filter?: AccountFilter, options?: CallOptions): List<AccountPage>;
  get(name: string, options?: ConditionOptions): Promise<Tagged<Account>>;
  /** Creates the account; replaces it with `ifMatch`. */
  put(name: string, account: AccountDocument, options?: ConditionOptions): Promise<Tagged<Account>>;
  delete(name: string, options: ConditionOptions): Promise<void>;
}

export function accounts(call: Call): Accounts {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", ACCOUNTS, { query: { ...filter, cursor }, options })),
      ),
    get: (account, options = {}) => recordOf(call("get", ACCOUNT, { path: { account }, options })),
    put: (account, body, options = {}) =>
      recordOf(call("put", ACCOUNT, { path: { account }, body, options })),
    delete: (account, options) => dataOf(call("delete", ACCOUNT, { path: { account }, options })),
  };
}

/** What callers known by IAM may do. */
export interface Principals {
  list(filter?: PrincipalFilter, options?: CallOptions): List<PrincipalPage>;
  get(arn: string, options?: ConditionOptions): Promise<Tagged<Principal>>;
  /** Creates the principal; replaces it with `ifMatch`. */
  put(arn: string, principal: PrincipalDocument, options?: ConditionOptions): Promise<Tagged<Principal>>;
  delete(arn: string, options: ConditionOptions): Promise<void>;
}

export function principals(call: Call): Principals {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", PRINCIPALS, { query: { ...filter, cursor }, options })),
      ),
    get: (arn, options = {}) => recordOf(call("get", PRINCIPAL, { path: { arn }, options })),
    put: (arn, body, options = {}) => recordOf(call("put", PRINCIPAL, { path: { arn }, body, options })),
    delete: (arn, options) => dataOf(call("delete", PRINCIPAL, { path: { arn }, options })),
  };
}
