import type { Domain } from "../../../sdk/src/index.ts";
import { type Output, painted } from "../frame/output.ts";

/** A domain, or its status: without ownership where its record cannot be read. */
interface Owned {
  readonly name: string;
  readonly ownership: Domain["ownership"] | null;
}

/** Names that are pending still: the TXT record that each needs, and what was found. @returns how many */
export function printPending({ ownership }: Owned, output: Output): number {
  const names = ownership === null ? [] : [ownership, ...ownership.hosts];
  const pending = names.filter(({ state }) => state === "pending");
  for (const { record, value, lastCheck } of pending)
    output.line(
      painted("warn", "pending: "),
      `${record} TXT "${value ?? ""}"`,
      lastCheck === null ? "" : `  (${lastCheck.result})`,
    );
  return pending.length;
}

/** As printPending, with what is left to do. */
export function printClaims(domain: Owned, output: Output): void {
  if (printPending(domain, output) === 0) return;
  output.line(
    "Pending names are not served. Publish the TXT records, and then: postern domains verify ",
    domain.name,
  );
}
