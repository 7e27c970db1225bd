/** Principals: what IAM roles and users may do. */

import { type PrincipalRecord, PRINCIPALS } from "../access/access-record.ts";
import type { AccessPage } from "../access/access-store.ts";
import { type PrincipalArn, toPrincipalArn } from "../access/principal-arn.ts";
import { type Caller, hasScope, requireScope } from "../access/scope.ts";
import { timestamp } from "../clock.ts";
import { InvalidInput, NotFound, StateConflict } from "../errors.ts";
import type { PageRequest } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import type { PrincipalDocument } from "./access-input.ts";
import {
  type AccessWritten,
  accountFor,
  deleteAccess,
  isAdministrator,
  requireAccount,
  requireScopes,
  writeAccess,
} from "./access-write.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/**
 * An ARN is known to all of AWS, and one record decides for it. Only the operator's account writes records:
 * else any account could take an ARN. Where a principal without a record is an operator, only an operator
 * writes them: a deletion would give the scope, and a new record would take it away.
 */
export class PrincipalService {
  readonly #deps: Pick<ServiceDependencies, "access" | "clock" | "defaultAccess">;

  constructor(deps: Pick<ServiceDependencies, "access" | "clock" | "defaultAccess">) {
    this.#deps = deps;
  }

  /** @throws InvalidInput; NotFound */
  async get(caller: Caller, arn: string): Promise<PrincipalRecord> {
    return this.#find(caller, arnOf(arn));
  }

  list(caller: Caller, page: PageRequest): Promise<AccessPage<PrincipalRecord>> {
    return this.#deps.access.list(PRINCIPALS, caller.account, page);
  }

  /** @throws InvalidInput; MissingScope; StateConflict (`name-taken`); RuleViolation; as the condition */
  async put(
    target: { readonly caller: Caller; readonly arn: string },
    { label, scopes, account: named }: PrincipalDocument,
    condition: WriteCondition,
  ): Promise<AccessWritten<PrincipalRecord>> {
    const { access, clock } = this.#deps;
    const { caller } = target;
    const arn = arnOf(target.arn);
    this.#requireWriter(caller);
    requireScopes(caller, scopes);
    return writeAccess({ store: access, kind: PRINCIPALS }, condition, {
      read: async () => {
        const record = await access.get(PRINCIPALS, arn);
        if (record !== null && !sees(caller, record))
          throw new StateConflict("name-taken", "another account has a record of this principal");
        return record && { record, isStored: true };
      },
      build: async (before) => {
        const account = named === undefined && before !== null ? before.account : accountFor(caller, named);
        await requireAccount(access, account);
        const at = timestamp(clock.now());
        const { createdAt, createdBy } = before ?? { createdAt: at, createdBy: caller.name };
        const write = { revision: 0, createdAt, createdBy, updatedAt: at, updatedBy: caller.name };
        return { arn, account, label, scopes, ...write };
      },
    });
  }

  /** @throws InvalidInput; NotFound; MissingScope; as the condition */
  async delete(caller: Caller, text: string, condition: WriteCondition): Promise<PrincipalRecord> {
    const arn = arnOf(text);
    await this.#find(caller, arn);
    this.#requireWriter(caller);
    const target = { store: this.#deps.access, kind: PRINCIPALS };
    return deleteAccess(target, condition, () => this.#find(caller, arn));
  }

  #requireWriter(caller: Caller): void {
    if (!isAdministrator(caller) || this.#deps.defaultAccess === "operator") requireScope(caller, "operator");
  }

  async #find(caller: Caller, arn: PrincipalArn): Promise<PrincipalRecord> {
    const record = await this.#deps.access.get(PRINCIPALS, arn);
    if (record === null || !sees(caller, record)) throw new NotFound("principal not found");
    return record;
  }
}

const sees = (caller: Caller, { account }: PrincipalRecord): boolean =>
  account === caller.account || hasScope(caller, "operator");

function arnOf(text: string): PrincipalArn {
  const arn = toPrincipalArn(text);
  if (arn !== null) return arn;
  const message = "must be the ARN of an IAM role, user, root user or federated user, URL-encoded";
  throw new InvalidInput("The path is not valid.", [
    { in: "path", pointer: "/arn", code: "invalid-arn", message },
  ]);
}
