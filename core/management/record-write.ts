import type { Actor } from "../actor.ts";
import type { Timestamp } from "../clock.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";
import type { Commit, LogEntry, RecordChange, UnreadableRecord } from "../store/store.ts";
import { commitWithRetry } from "../store/write.ts";

/** Who writes which certificate or trust store. */
export interface RecordTarget {
  readonly actor: Actor;
  readonly id: string;
}

/**
 * Commits what `build` makes. It checks the condition each time: a record that someone else wrote in between is read again, so
 * that the error has its present revision. @throws as `commitWithRetry`
 */
export const commitUnder = (
  { store, retry }: Pick<ServiceDependencies, "store" | "retry">,
  build: (expectedHead: number) => Promise<Commit>,
): Promise<LogEntry> => commitWithRetry(store, build, retry);

/** What a write found that changes nothing: no revision is taken, nothing is logged. */
export interface Unchanged<T> {
  readonly unchanged: T;
}

/** Ends the loop of a write whose build found nothing to change. Never leaves this module. */
class NothingToWrite extends Error {
  override readonly name = "NothingToWrite";
}

/** The same, for a build that may find that nothing would change. @throws as `commitWithRetry` */
export async function commitChange<T>(
  deps: Pick<ServiceDependencies, "store" | "retry">,
  build: (expectedHead: number) => Promise<Commit | Unchanged<T>>,
): Promise<LogEntry | Unchanged<T>> {
  let found: Unchanged<T> | null = null;
  try {
    return await commitUnder(deps, async (expectedHead) => {
      const built = await build(expectedHead);
      if (!("unchanged" in built)) return built;
      found = built;
      throw new NothingToWrite("the write changes nothing");
    });
  } catch (error) {
    if (error instanceof NothingToWrite && found !== null) return found;
    throw error;
  }
}

/** Fields that every write sets, whether it changes anything or not. */
const WRITE_FIELDS: ReadonlySet<string> = new Set(["revision", "updatedAt", "updatedBy"]);

/** Whether two documents say the same, apart from when and by whom they were written. An absent member equals undefined. */
export const saysTheSame = (a: object, b: object): boolean => canonical(a) === canonical(b);

const canonical = (document: object): string =>
  JSON.stringify(
    Object.fromEntries(Object.entries(document).filter(([key]) => !WRITE_FIELDS.has(key))),
    (_, value: unknown) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([x], [y]) => (x < y ? -1 : 1)))
        : value,
  );

/** The commit of a certificate or trust store: it claims no MX host and uses no other record. */
export const commitAlone = (
  record: RecordChange,
  {
    actor,
    at,
    expectedHead,
    replaced,
  }: { actor: Actor; at: Timestamp; expectedHead: number; replaced?: UnreadableRecord | undefined },
): Commit => ({
  record,
  replaced,
  hosts: [],
  uses: [],
  account: actor.account,
  actor: actor.name,
  at,
  expectedHead,
});
