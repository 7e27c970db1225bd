/** Names that certificates are ordered for: an account orders for its own names alone. */

import { type Actor, addsOwnNames, OPERATOR_ACCOUNT } from "../actor.ts";
import { type Issue, RuleViolation } from "../errors.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import { isPending } from "../record/ownership.ts";
import type { Store } from "../store/store.ts";

type OwnerReads = Pick<Store, "getMxHosts" | "getRecords">;

/**
 * Rejects an order for names that the account has not shown to be its own. A wildcard stands for names below
 * its own, which may be other accounts': only the operator orders it.
 *
 * @throws RuleViolation; Unavailable
 */
export async function checkOwnNames(
  store: OwnerReads,
  actor: Actor,
  names: readonly string[],
): Promise<void> {
  if (addsOwnNames(actor)) return;
  const owners = await ownersOf(store, names);
  const issues = names.flatMap((name, index): Issue | [] => {
    if (owners.get(name)?.includes(actor.account) === true) return [];
    const message = name.startsWith("*.")
      ? "only the operator orders a certificate with a wildcard"
      : `${name} is neither a verified domain of the account nor one of its MX hosts`;
    return { pointer: `/names/${index}`, code: "name-not-owned", message };
  });
  if (issues.length > 0) throw new RuleViolation(issues);
}

/**
 * Rejects an order of the schedule for names that belong to another account by now.
 * @throws RuleViolation; Unavailable
 */
export async function checkNotOthers(
  store: OwnerReads,
  account: string,
  names: readonly string[],
): Promise<void> {
  if (account === OPERATOR_ACCOUNT) return;
  const owners = await ownersOf(store, names);
  const lost = names.filter((name) =>
    owners.get(name)?.some((owner) => owner !== account && owner !== OPERATOR_ACCOUNT),
  );
  if (lost.length === 0) return;
  const message = `${lost.join(", ")} does not belong to this account any more`;
  throw new RuleViolation([{ pointer: "/names", code: "name-not-owned", message }]);
}

/** Accounts that have a name as a verified domain or as an MX host. */
async function ownersOf(
  store: OwnerReads,
  names: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const known = [...new Set(names.flatMap((name): DomainName | [] => toDomainName(name) ?? []))];
  const [hosts, domains] = await Promise.all([store.getMxHosts(known), store.getRecords("domain", known)]);
  const verified = new Map(
    domains.items.filter((domain) => !isPending(domain)).map(({ name, account }) => [name, account]),
  );
  return new Map(
    known.map((name) => [name, [hosts.get(name)?.account ?? [], verified.get(name) ?? []].flat()]),
  );
}
