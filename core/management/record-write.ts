/**
 * How the caller's own records are found, judged by the condition of a request, and written; which domains
 * share in part.
 */
import type { Actor } from "../actor.ts";
import { type Timestamp, timestamp } from "../clock.ts";
import { NotFound, Unreadable } from "../errors.ts";
import type { Planned, Unchanged } from "../store/queued-write.ts";
import type { Commit, LogEntry, RecordChange, RecordKind, Store, UnreadableRecord } from "../store/store.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import { checkCondition, type WriteCondition } from "../store/write-condition.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/** A stored record, or what is known of one that cannot be read. */
export type Stored<T> = { readonly record: T } | { readonly unreadable: UnreadableRecord };

interface About {
  readonly kind: RecordKind;
  readonly id: string;
  /** The caller's. */
  readonly account: string;
}

/**
 * @returns null when absent. @throws Unavailable; Unreadable when it can be read by now: repeat the request
 */
export async function readStored<T extends object>(
  store: Pick<Store, "getUnreadable">,
  { kind, id, account }: About,
  read: () => Promise<T | null>,
): Promise<Stored<T> | null> {
  try {
    const record = await read();
    return record && { record };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const unreadable = await store.getUnreadable(kind, id, account);
    if (unreadable === null) throw error;
    return { unreadable };
  }
}

export const cannotBeRead = ({ problem, revision }: UnreadableRecord): Unreadable =>
  new Unreadable(
    `the stored record at revision ${revision} cannot be read (${problem}); it can be replaced as a whole or deleted, with If-Match`,
  );

/** Who writes which certificate or trust store. */
export interface RecordTarget {
  readonly actor: Actor;
  readonly id: string;
}

/** What a request finds: the record, or that it cannot be read. */
export type Present<Id, R> =
  | { readonly id: Id; readonly before: R; readonly replaced: undefined }
  | { readonly id: Id; readonly before: null; readonly replaced: UnreadableRecord };

/** What certificates and trust stores have in common. */
interface OwnedRecord {
  readonly account: string;
  readonly revision: number;
  readonly updatedAt: Timestamp;
  readonly updatedBy: string;
}

/** What differs between certificates and trust stores. */
export interface RecordAccess<Id, R> {
  readonly kind: "certificate" | "trust-store";
  readonly isId: (text: string) => text is Id & string;
  readonly get: (id: Id) => Promise<R | null>;
  readonly change: (id: Id, before: R | null, after: R | null) => RecordChange;
}

/** A record after a write. */
export interface WrittenRecord<R> {
  readonly record: R;
  /** null = the write would have changed nothing, and was not made. */
  readonly entry: LogEntry | null;
}

interface RecordWrite<Id, R> {
  readonly id: Id;
  readonly before: R | null;
  readonly after: R;
  readonly replaced?: UnreadableRecord | undefined;
  /** Of a creation: `Commit.quota`. */
  readonly quota?: number | null;
  /** Absent = now. */
  readonly at?: Timestamp;
}

/** Certificates, or trust stores, for one caller at a time. A record of another account is absent. */
export class OwnRecords<Id extends string, R extends OwnedRecord> {
  readonly #deps: Pick<ServiceDependencies, "store" | "retry" | "clock">;
  readonly #access: RecordAccess<Id, R>;

  constructor(deps: Pick<ServiceDependencies, "store" | "retry" | "clock">, access: RecordAccess<Id, R>) {
    this.#deps = deps;
    this.#access = access;
  }

  /** @throws NotFound */
  async find({ actor: { account }, id }: RecordTarget): Promise<Present<Id, R>> {
    const { kind, isId, get } = this.#access;
    const found = isId(id) ? await readStored(this.#deps.store, { kind, id, account }, () => get(id)) : null;
    const isOwn =
      found !== null && ("record" in found ? found.record.account === account : found.unreadable.isOwn);
    if (!isId(id) || found === null || !isOwn) throw new NotFound(`${NAMES[kind]} not found`);
    if ("record" in found) return { id, before: found.record, replaced: undefined };
    return { id, before: null, replaced: found.unreadable };
  }

  /** @throws NotFound; Unreadable */
  async get(target: RecordTarget): Promise<R> {
    return readable(await this.find(target));
  }

  /** What is stored, where the request may write it. @throws NotFound; as the condition */
  async findFor(target: RecordTarget, condition: WriteCondition): Promise<Present<Id, R>> {
    const found = await this.find(target);
    checkCondition(condition, found.before ?? found.replaced ?? null);
    return found;
  }

  /**
   * Stores what `build` makes of the record. `build` reads it and checks the condition each time it is
   * called: another write may have come in between.
   *
   * @throws as `commitWithRetry`
   */
  async write(
    actor: Actor,
    build: () => Promise<RecordWrite<Id, R> | Unchanged<R>>,
  ): Promise<WrittenRecord<R>> {
    const { store, retry, clock } = this.#deps;
    const { entry, result } = await commitWithRetry<R>(
      store,
      async (expectedHead) => {
        const built = await build();
        if ("unchanged" in built) return built;
        const { id, before, replaced, quota, at = timestamp(clock.now()) } = built;
        const after = { ...built.after, updatedAt: at, updatedBy: actor.name };
        const record = this.#access.change(id, before, after);
        const commit = { ...commitAlone(record, { actor, at, expectedHead, replaced }), quota };
        return { commit, result: after };
      },
      retry,
    );
    return { entry, record: entry === null ? result : { ...result, revision: entry.revision } };
  }

  /** @throws StateConflict (`in-use`); NotFound; as the condition; as `commitWithRetry` */
  async delete(target: RecordTarget, condition: WriteCondition): Promise<LogEntry | null> {
    const { store, retry, clock } = this.#deps;
    const { actor } = target;
    const build = async (expectedHead: number): Promise<Planned<null>> => {
      const { id, before, replaced } = await this.findFor(target, condition);
      const record = this.#access.change(id, before, null);
      const at = timestamp(clock.now());
      return { commit: commitAlone(record, { actor, at, expectedHead, replaced }), result: null };
    };
    return (await commitWithRetry(store, build, retry)).entry;
  }
}

const NAMES = { certificate: "certificate", "trust-store": "trust store" } as const;

/** @throws Unreadable */
export function readable<R>({ before, replaced }: Present<unknown, R>): R {
  if (replaced !== undefined) throw cannotBeRead(replaced);
  return before;
}

/** Fields that every write sets, whether it changes anything or not. */
const WRITE_FIELDS: ReadonlySet<string> = new Set(["revision", "updatedAt", "updatedBy"]);

/**
 * Whether two documents say the same, apart from when and by whom they were written. An absent member equals
 * undefined.
 */
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
