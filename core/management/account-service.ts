/** Accounts: whose records and tokens are kept apart. */

import {
  type AccountRecord,
  ACCOUNTS,
  NO_QUOTAS,
  PRINCIPALS,
  QUOTA_NAMES,
  TOKENS,
} from "../access/access-record.ts";
import type { AccessPage } from "../access/access-store.ts";
import { type Caller, requireScope } from "../access/scope.ts";
import { OPERATOR_ACCOUNT } from "../actor.ts";
import { timestamp } from "../clock.ts";
import { NotFound, StateConflict } from "../errors.ts";
import { CAPS } from "../limits.ts";
import type { PageRequest } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import type { AccountDocument } from "./access-input.ts";
import { type AccessWritten, deleteAccess, isAdministrator, writeAccess } from "./access-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** The operator's account as long as no one has written it. */
const DEFAULT_ACCOUNT: AccountRecord = {
  name: OPERATOR_ACCOUNT,
  label: null,
  quotas: NO_QUOTAS,
  revision: 1,
  createdAt: timestamp(0),
  createdBy: "postern",
  updatedAt: timestamp(0),
  updatedBy: "postern",
};

/**
 * Accounts belong to the operator's account, whose callers see and change all of them. A caller of another
 * account sees its own and may change its label.
 */
export class AccountService {
  readonly #deps: Pick<ServiceDependencies, "access" | "store" | "clock">;

  constructor(deps: Pick<ServiceDependencies, "access" | "store" | "clock">) {
    this.#deps = deps;
  }

  /** @throws NotFound */
  async get(caller: Caller, name: string): Promise<AccountRecord> {
    const found = isAdministrator(caller) || name === caller.account ? await this.#read(name) : null;
    if (found === null) throw new NotFound("account not found");
    return found.record;
  }

  async list(caller: Caller, page: PageRequest): Promise<AccessPage<AccountRecord>> {
    const { access } = this.#deps;
    if (!isAdministrator(caller)) {
      const own = page.after === undefined ? await this.#read(caller.account) : null;
      return { items: own === null ? [] : [own.record], unreadable: [], next: null };
    }
    const found = await access.list(ACCOUNTS, OPERATOR_ACCOUNT, page);
    const standing = (await access.get(ACCOUNTS, OPERATOR_ACCOUNT)) === null;
    const isHere =
      (page.after ?? "") < OPERATOR_ACCOUNT && (found.next === null || OPERATOR_ACCOUNT < found.next);
    if (!standing || !isHere) return found;
    const items = [...found.items, DEFAULT_ACCOUNT].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (items.length <= page.limit) return { ...found, items };
    const shown = items.slice(0, page.limit);
    return { ...found, items: shown, next: shown.at(-1)?.name ?? null };
  }

  /** @throws MissingScope; as the condition */
  async put(
    { caller, name }: { readonly caller: Caller; readonly name: string },
    { label, quotas }: AccountDocument,
    condition: WriteCondition,
  ): Promise<AccessWritten<AccountRecord>> {
    const { access, clock } = this.#deps;
    if (!isAdministrator(caller) && name !== caller.account) requireScope(caller, "operator");
    return writeAccess({ store: access, kind: ACCOUNTS }, condition, {
      read: () => this.#read(name),
      build: (before) => {
        const changesQuotas = QUOTA_NAMES.some((each) => quotas[each] !== (before?.quotas[each] ?? null));
        if (changesQuotas && !isAdministrator(caller)) requireScope(caller, "operator");
        const at = timestamp(clock.now());
        const { createdAt, createdBy } = before ?? { createdAt: at, createdBy: caller.name };
        const write = { revision: 0, createdAt, createdBy, updatedAt: at, updatedBy: caller.name };
        return { name, label, quotas, ...write };
      },
    });
  }

  /** @throws MissingScope; NotFound; StateConflict (`in-use`); as the condition */
  async delete(caller: Caller, name: string, condition: WriteCondition): Promise<AccountRecord> {
    if (!isAdministrator(caller)) {
      // An account of another name is absent, and the caller's own is the operator's to delete.
      if (name !== caller.account) throw new NotFound("account not found");
      requireScope(caller, "operator");
    }
    const target = { store: this.#deps.access, kind: ACCOUNTS };
    return deleteAccess(target, condition, async () => {
      const record = await this.get(caller, name);
      if (name === OPERATOR_ACCOUNT) throw new StateConflict("in-use", "the account default always exists");
      const held = await this.#held(name);
      if (held.length > 0) throw stillHas(held);
      return record;
    });
  }

  async #read(name: string): Promise<{ readonly record: AccountRecord; readonly isStored: boolean } | null> {
    const record = await this.#deps.access.get(ACCOUNTS, name);
    if (record !== null) return { record, isStored: true };
    return name === OPERATOR_ACCOUNT ? { record: DEFAULT_ACCOUNT, isStored: false } : null;
  }

  /** What an account still has, such as `2 domains`, with records that cannot be read. */
  async #held(account: string): Promise<string[]> {
    const { store, access } = this.#deps;
    const first = { limit: CAPS.pageSize };
    const pages = {
      domain: await store.listDomains({ account }, first),
      certificate: await store.listCertificates(account, first),
      "trust store": await store.listTrustStores(account, first),
      token: await access.list(TOKENS, account, first),
      principal: await access.list(PRINCIPALS, account, first),
    };
    return Object.entries(pages).flatMap(([kind, { items, unreadable, next }]) => {
      const count = items.length + unreadable.length;
      if (count === 0 && next === null) return [];
      // A page may be empty while there are more.
      const shown = Math.max(count, 1);
      return `${next === null ? "" : "at least "}${shown} ${kind}${shown === 1 ? "" : "s"}`;
    });
  }
}

function stillHas(held: readonly string[]): StateConflict {
  const at = { in: "path", pointer: "/account", code: "in-use" } as const;
  const issues = held.map((each) => ({ ...at, message: `has ${each}` }));
  return new StateConflict("in-use", `the account still has ${held.join(", ")}: delete them first`, issues);
}
