import { promises } from "node:dns";
import { Unavailable } from "../../core/errors.ts";
import type { ReadTxt } from "../../core/management/challenge-records.ts";

/** No such name, and no record of this type (RFC 2308 section 2). */
const ABSENT: ReadonlySet<unknown> = new Set(["ENOTFOUND", "ENODATA"]);
const DEADLINE_MS = 10_000;
const TRY_MS = 2_000;
const TRIES = 2;

export interface TxtLookupOptions {
  /** Checked by `dnsResolversVariable`; null = those of the system. */
  readonly servers: readonly string[] | null;
  readonly deadlineMs?: number;
}

/**
 * TXT records as recursive resolvers see them. A record's strings are joined (RFC 7208 section 3.3). Each
 * lookup has a resolver: cancelling one would end the queries of all that share it.
 */
export function createTxtLookup({ servers, deadlineMs = DEADLINE_MS }: TxtLookupOptions): ReadTxt {
  return async (name) => {
    const resolver = new promises.Resolver({ timeout: Math.min(TRY_MS, deadlineMs), tries: TRIES });
    if (servers !== null) resolver.setServers(servers);
    const timer = setTimeout(() => resolver.cancel(), deadlineMs);
    try {
      return (await resolver.resolveTxt(name)).map((strings) => strings.join(""));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (ABSENT.has(code)) return [];
      throw new Unavailable(`no resolver answers for the TXT record ${name} (${String(code)})`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  };
}
