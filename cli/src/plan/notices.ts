import type { Domain, Postern } from "../../../sdk/src/index.ts";
import { type Output, painted } from "../frame/output.ts";
import type { Outcome } from "./outcome.ts";
import type { Step } from "./step.ts";

/** What the API says of a domain beside its settings. */
type Noted = Pick<Domain, "name" | "ownership" | "warnings">;

/** Pending names for people. */
const MOST_SHOWN = 20;

/** Writes the names that no edge serves yet, with the TXT record that each needs. */
export function printPending(domains: readonly Noted[], output: Output): void {
  const pending = domains.flatMap(({ name: domain, ownership }) =>
    [{ name: domain, ...ownership }, ...ownership.hosts.map(({ host, ...its }) => ({ name: host, ...its }))]
      .filter(({ state }) => state === "pending")
      .map(({ name, record, value }) => ({ domain, name, record, value: value ?? "" })),
  );
  for (const each of pending) output.json({ pending: each });
  for (const { domain, name, record, value } of pending.slice(0, MOST_SHOWN)) {
    output.line(painted("warn", "pending: "), `${name} is not served: publish ${record} TXT "${value}"`);
    output.line(`    then: postern domains verify ${domain}`);
  }
  if (pending.length > MOST_SHOWN) output.line(`    and ${pending.length - MOST_SHOWN} more pending names`);
}

/** Writes the API's warnings; for people one line for each code, with the first domain that has it. */
export function printWarnings(domains: readonly Noted[], output: Output): void {
  const byCode = new Map<string, { readonly text: string; count: number }>();
  for (const { name: domain, warnings } of domains)
    for (const { code, message } of warnings) {
      output.json({ warning: { domain, code, message } });
      const group = byCode.get(code) ?? { text: `${domain}: ${code}: ${message}`, count: 0 };
      group.count += 1;
      byCode.set(code, group);
    }
  for (const { text, count } of byCode.values()) {
    output.line(painted("warn", "warning: "), text);
    if (count > 1) output.line(`    and ${count - 1} more of this code`);
  }
}

/** Domains that are read one by one; more of them are read as a list. */
const MOST_SINGLE = 50;
const PAGE = 200;

/** The domains of a plan as they are after it: those that it wrote are read again. */
export async function domainsAfter(
  postern: Postern,
  before: ReadonlyMap<string, Domain>,
  outcomes: readonly Outcome[],
): Promise<ReadonlyMap<string, Domain>> {
  const after = new Map(before);
  const done = outcomes.filter(({ result }) => result === "done").map(({ step }) => step);
  for (const { name } of done.filter(isOfDomain)) after.delete(name);
  const written = done.filter(isOfDomain).filter(({ action }) => action !== "delete");
  if (written.length <= MOST_SINGLE)
    for (const { name } of written) after.set(name, await postern.domains.get(name));
  else
    for await (const { items } of postern.domains.list({ limit: PAGE }).pages())
      for (const domain of items) after.set(domain.name, domain);
  return after;
}

const isOfDomain = ({ kind }: Step): boolean => kind === "domain";
