/** Tokens: made once, shown without their secret, revoked. */

import {
  ACCOUNTS,
  PRINCIPALS,
  type TokenCreator,
  type TokenRecord,
  TOKENS,
} from "../access/access-record.ts";
import { type Caller, hasScope } from "../access/scope.ts";
import { secretHash, tokenText } from "../access/token-text.ts";
import { type Timestamp, timestamp } from "../clock.ts";
import { NotFound, RuleViolation } from "../errors.ts";
import { isTokenId } from "../name/ids.ts";
import type { PageRequest } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import type { TokenInput } from "./access-input.ts";
import { accountFor, deleteAccess, requireAccount, requireScopes } from "./access-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** A token as callers see it. */
export interface TokenView {
  readonly id: string;
  readonly account: string;
  readonly label: string | null;
  readonly scopes: readonly string[];
  readonly expiresAt: Timestamp | null;
  /** To the hour; null = not used yet. */
  readonly lastUsedAt: Timestamp | null;
  readonly createdAt: Timestamp;
  readonly createdBy: string;
  /** The token or principal that made it exists no more. It keeps working. */
  readonly creatorGone: boolean;
  readonly revision: number;
}

/** The one answer with the secret. */
export interface TokenMade extends TokenView {
  readonly token: string;
}

type Dependencies = Pick<ServiceDependencies, "access" | "clock" | "ids" | "defaultAccess"> & {
  /** 256 random bits as base64url. */
  readonly newSecret: () => string;
};

export class TokenService {
  readonly #deps: Dependencies;

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** @throws MissingScope; RuleViolation; QuotaExceeded */
  async create(caller: Caller, input: TokenInput): Promise<TokenMade> {
    const { access, clock, ids, newSecret } = this.#deps;
    const account = accountFor(caller, input.account);
    requireScopes(caller, input.scopes);
    const expiresAt = input.expiresAt === null ? null : timestamp(Date.parse(input.expiresAt));
    if (expiresAt !== null && Date.parse(expiresAt) <= clock.now())
      throw new RuleViolation([
        {
          pointer: "/expiresAt",
          code: "expires-in-past",
          message: "is in the past: the token would not work",
        },
      ]);
    await requireAccount(access, account);
    const id = ids.token();
    const secret = newSecret();
    const record: TokenRecord = {
      id,
      account,
      label: input.label,
      scopes: input.scopes,
      secretSha256: secretHash(secret),
      expiresAt,
      creator: { kind: caller.kind, id: caller.id },
      revision: 0,
      createdAt: timestamp(clock.now()),
      createdBy: caller.name,
    };
    const most = (await access.get(ACCOUNTS, account))?.quotas.tokens ?? null;
    const revision = await access.create(TOKENS, record, most);
    if (revision === null) throw new TypeError("the id of a new token is taken");
    const [view] = await this.#views([{ ...record, revision }]);
    if (view === undefined) throw new TypeError("a record has a view");
    return { ...view, token: tokenText(id, secret) };
  }

  /** @throws NotFound */
  async get(caller: Caller, id: string): Promise<TokenView> {
    const [view] = await this.#views([await this.#find(caller, id)]);
    if (view === undefined) throw new TypeError("a record has a view");
    return view;
  }

  async list(caller: Caller, page: PageRequest) {
    const found = await this.#deps.access.list(TOKENS, caller.account, page);
    return { ...found, items: await this.#views(found.items) };
  }

  /** @throws NotFound; as the condition */
  async delete(caller: Caller, id: string, condition: WriteCondition): Promise<TokenRecord> {
    const target = { store: this.#deps.access, kind: TOKENS };
    return deleteAccess(target, condition, () => this.#find(caller, id));
  }

  /** A token of another account is absent, but for an operator. */
  async #find(caller: Caller, id: string): Promise<TokenRecord> {
    const record = isTokenId(id) ? await this.#deps.access.get(TOKENS, id) : null;
    const isSeen = record?.account === caller.account || hasScope(caller, "operator");
    if (record === null || !isSeen) throw new NotFound("token not found");
    return record;
  }

  async #views(records: readonly TokenRecord[]): Promise<TokenView[]> {
    const lastUsed = await this.#deps.access.lastUsed(records.map(({ id }) => id));
    const creators = new Map(records.map(({ creator }) => [JSON.stringify(creator), creator]));
    const gone = new Map<string, boolean>();
    for (const [key, creator] of creators) gone.set(key, await this.#isGone(creator));
    return records.map(({ secretSha256: _secretSha256, creator, ...shown }) => ({
      ...shown,
      lastUsedAt: lastUsed.get(shown.id) ?? null,
      creatorGone: gone.get(JSON.stringify(creator)) ?? false,
    }));
  }

  /** Of a token or a principal; whether an identity provider still knows a subject cannot be known here. */
  async #isGone({ kind, id }: TokenCreator): Promise<boolean> {
    const { access, defaultAccess } = this.#deps;
    if (kind === "token") return id !== null && (await access.get(TOKENS, id)) === null;
    if (kind !== "iam" || id === null || defaultAccess === "operator") return false;
    return (await access.get(PRINCIPALS, id)) === null;
  }
}
