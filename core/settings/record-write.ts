import type { Actor } from "../actor.ts";
import type { Timestamp } from "../clock.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Commit, LogEntry, RecordChange } from "./store.ts";
import { commitWithRetry } from "./write.ts";
import { type WriteCondition, whenStale } from "./write-condition.ts";

/** Who writes which certificate or trust store. */
export interface RecordTarget {
  readonly actor: Actor;
  readonly id: string;
}

/** Commits what `build` makes, as often as the request's condition lets it. @throws as `commitWithRetry` */
export const commitUnder = (
  condition: WriteCondition,
  { store, retry }: Pick<ServiceDependencies, "store" | "retry">,
  build: (expectedHead: number) => Promise<Commit>,
): Promise<LogEntry> => commitWithRetry(store, build, { ...retry, whenStale: whenStale(condition) });

/** The commit of a certificate or trust store: it claims no MX host and uses no other record. */
export const commitAlone = (
  record: RecordChange,
  { actor, at, expectedHead }: { actor: Actor; at: Timestamp; expectedHead: number },
): Commit => ({
  record,
  hosts: [],
  uses: [],
  account: actor.account,
  actor: actor.name,
  at,
  expectedHead,
});
