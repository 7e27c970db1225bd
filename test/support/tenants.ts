import { expect } from "vitest";
import type { ReadTxt } from "../../core/management/challenge-records.ts";
import type { DomainOwnership } from "../../core/management/ownership-view.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import { FollowedSettings } from "../../core/snapshot/followed-settings.ts";
import type { ApiDependencies } from "../../functions/api/app.ts";
import { bearerAuthentication } from "../../functions/api/caller.ts";
import { type ApiUnderTest, callerWith, OTHER_TOKEN, type RequestOptions, startApi, TOKEN } from "./api.ts";

/** Callers of two accounts that are not the operator's. */
export const OTHER: RequestOptions = { token: OTHER_TOKEN };
const THIRD_TOKEN = "postern_test-token-of-a-third-account";
export const THIRD: RequestOptions = { token: THIRD_TOKEN };

/** TXT records by name, or how their lookup fails. */
type Zone = Map<string, readonly string[] | Error>;

interface Tenants {
  readonly api: ApiUnderTest;
  readonly records: Zone;
  /** Names that were looked up. */
  readonly asked: string[];
  /** What edges have of a domain: by the log that they follow, and by a whole load. */
  readonly served: (name: string) => Promise<DomainRecord | "unusable" | undefined>;
}

/** An API with callers of several accounts, an edge that follows its log, and a DNS that the test writes. */
export async function startTenants(overrides: Partial<ApiDependencies> = {}): Promise<Tenants> {
  const records: Zone = new Map();
  const asked: string[] = [];
  const readTxt: ReadTxt = async (name) => {
    asked.push(name);
    const found = records.get(name) ?? [];
    if (found instanceof Error) throw found;
    return found;
  };
  const api = await startApi({ readTxt, ...overrides }, (_, clock) =>
    bearerAuthentication(
      [
        { token: TOKEN, actor: callerWith({ name: "root", scopes: ["operator"] }) },
        { token: OTHER_TOKEN, actor: callerWith({ account: "other", name: "stranger" }) },
        { token: THIRD_TOKEN, actor: callerWith({ account: "third", name: "rival" }) },
      ],
      clock.now,
    ),
  );
  const edge = new FollowedSettings(api.store);
  await edge.current();
  return {
    api,
    records,
    asked,
    served: async (text) => {
      const name = parseDomainName(text);
      const followed = (await edge.current()).domain(name);
      const loaded = (await new FollowedSettings(api.store).current()).domain(name);
      expect(followed).toEqual(loaded);
      return followed;
    },
  };
}

/** Publishes what an answer asks for. */
export function publish(records: Zone, { ownership }: { readonly ownership: DomainOwnership }): void {
  for (const { record, value } of [ownership, ...ownership.hosts])
    if (value !== null) records.set(record, [value]);
}
