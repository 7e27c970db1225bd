/** A batch of domain writes: each judged as a single request is, stored in as few transactions as fit. */

import type { AccessKind } from "../access/access-record.ts";
import type { AccessStore } from "../access/access-store.ts";
import type { Actor } from "../actor.ts";
import { Unavailable } from "../errors.ts";
import { type DomainName, toDomainName } from "../name/domain-name.ts";
import { isCertificateId, isTrustStoreId } from "../name/ids.ts";
import { commitWithRetry } from "../store/commit-with-retry.ts";
import type { Planned, Unchanged } from "../store/queued-write.ts";
import { shownRecord } from "../store/shown-domain.ts";
import type { Commit, DomainWithHosts, LogEntry } from "../store/store.ts";
import type { WriteCondition } from "../store/write-condition.ts";
import { buildDomainDelete, buildDomainWrite, patchOfDomain, putOfDomain } from "./domain-build.ts";
import type { DomainInput } from "./domain-schema.ts";
import type { DomainWriteDependencies, WriteOptions } from "./domain-write.ts";
import { type NamedByBatch, type PlannedReads, readPlanned } from "./planned-reads.ts";
import type { ServiceDependencies } from "./service-dependencies.ts";

/**
 * How long transactions of one batch are begun: the function ends after 29 s (infra/api.ts), and the last
 * transaction may take the 10 s of a single write.
 */
const BATCH_LIMIT_MS = 15_000;

/** One write of a batch. */
export type BatchItem =
  | ({ readonly kind: "put"; readonly name: DomainName; readonly input: DomainInput } & WriteOptions)
  | ({ readonly kind: "patch"; readonly name: DomainName; readonly patch: unknown } & WriteOptions)
  | { readonly kind: "delete"; readonly name: DomainName; readonly condition: WriteCondition };

/** What became of an item. `revision`: the domain's as it is shown after it. */
export type BatchResult =
  | { readonly kind: "created" | "updated" | "unchanged"; readonly revision: number }
  | { readonly kind: "deleted" }
  | { readonly kind: "failed"; readonly error: unknown };

type Dependencies = Pick<ServiceDependencies, "store" | "clock" | "operatorHosts" | "ids" | "retry"> &
  Pick<DomainWriteDependencies, "access">;

/**
 * Applies the items in their order, each on what those before it have left; one that fails changes nothing of
 * the others. Every stored item has its revision and its log entry.
 *
 * @returns a result for each item, in order. What found no place in time is `Unavailable`.
 * @throws Unavailable where the store did not answer, before any item had a result
 */
export async function applyBatch(
  deps: Dependencies,
  actor: Actor,
  items: readonly BatchItem[],
): Promise<readonly BatchResult[]> {
  const batch = new DomainBatch(deps, actor, items);
  const deadline = deps.retry.now() + BATCH_LIMIT_MS;
  try {
    while (!batch.isDone) {
      if (deps.retry.now() >= deadline) throw new Unavailable("the batch was not done in time");
      await batch.step();
    }
  } catch (error) {
    if (batch.results.length === 0) throw error;
    return items.map((_, index) => batch.results[index] ?? { kind: "failed", error });
  }
  return batch.results;
}

/** An item as it was judged at a head, after those before it. */
type Judged = { readonly commit: Commit } | { readonly result: BatchResult };

class DomainBatch {
  readonly #deps: Dependencies;
  readonly #actor: Actor;
  readonly #items: readonly BatchItem[];
  /** Of the first items. */
  readonly results: BatchResult[] = [];
  /** The items after these, as far as they are judged, at `#head`. */
  #judged: readonly Judged[] = [];
  #head = 0;
  /** How many items are judged at once: fewer after a lost try, so that the commit comes sooner. */
  #atOnce: number;

  constructor(deps: Dependencies, actor: Actor, items: readonly BatchItem[]) {
    this.#deps = deps;
    this.#actor = actor;
    this.#items = items;
    this.#atOnce = items.length;
  }

  get isDone(): boolean {
    return this.results.length === this.#items.length;
  }

  /** One transaction, and what is judged without one. */
  async step(): Promise<void> {
    const { store, retry } = this.#deps;
    let tries = 0;
    const build = (head: number) => {
      tries += 1;
      if (tries > 1) this.#atOnce = Math.max(1, Math.floor(this.#atOnce / 2));
      return this.#plan(head, tries > 1);
    };
    try {
      const { entry, following = [] } = await commitWithRetry(store, build, retry);
      this.#settle(entry === null ? [] : [entry, ...following]);
      this.#atOnce = Math.min(this.#items.length, this.#atOnce * 2);
    } catch (error) {
      const planned = this.#judged.filter((each) => "commit" in each).length;
      if (error instanceof Unavailable || planned === 0) throw error;
      this.#giveUp(error, planned);
    }
  }

  /** The commits to store next. What was judged already still holds at the head that it was judged at. */
  async #plan(head: number, isAgain: boolean): Promise<Planned<null> | Unchanged<null>> {
    if (isAgain || this.#judged.length === 0 || this.#head !== head) await this.#judge(head);
    const [commit, ...following] = this.#judged.flatMap((each) => ("commit" in each ? [each.commit] : []));
    if (commit === undefined) return { unchanged: null };
    return following.length === 0 ? { commit, result: null } : { commit, following, result: null };
  }

  async #judge(head: number): Promise<void> {
    const { store, clock, operatorHosts, ids } = this.#deps;
    const access = readOnce(this.#deps.access);
    const first = this.results.length;
    const items = this.#items.slice(first, first + this.#atOnce);
    const reads = await readPlanned(store, namedBy(this.#actor, items), head);
    const judged: Judged[] = [];
    let planned = 0;
    for (const item of items) {
      const one = await judge(
        { store: reads, access, clock, operatorHosts, ids },
        this.#actor,
        item,
      )(head + planned);
      judged.push(one);
      if ("commit" in one) planned += 1;
    }
    this.#judged = judged;
    this.#head = head;
  }

  /** Takes over the results of all items before the first that is planned and not stored. */
  #settle(entries: readonly LogEntry[]): void {
    const stored = [...entries];
    let settled = 0;
    for (const one of this.#judged) {
      const result = "commit" in one ? resultOf(stored.shift()) : one.result;
      if (result === null) break;
      this.results.push(result);
      settled += 1;
    }
    this.#judged = this.#judged.slice(settled);
    // One that was stored alone may have been carried to a later head.
    this.#head = entries.at(-1)?.revision ?? this.#head;
  }

  /** A transaction was refused: the items are tried one by one, and the one at fault keeps its error. */
  #giveUp(error: unknown, planned: number): void {
    if (planned > 1) this.#atOnce = 1;
    else {
      this.#judged = this.#judged.map((each) =>
        "commit" in each ? { result: { kind: "failed", error } } : each,
      );
      this.#settle([]);
    }
    this.#judged = [];
  }
}

const CREATED = { create: "created", update: "updated", delete: "deleted" } as const;

/** null = it was not stored. */
function resultOf(entry: LogEntry | undefined): BatchResult | null {
  if (entry === undefined) return null;
  const { action, revision } = entry;
  return action === "delete" ? { kind: "deleted" } : { kind: CREATED[action], revision };
}

interface JudgeDependencies
  extends Pick<DomainWriteDependencies, "access" | "clock" | "operatorHosts" | "ids"> {
  readonly store: PlannedReads;
}

/** The account's record, which each creation needs: read once for all items that are judged together. */
function readOnce(access: Pick<AccessStore, "get">): Pick<AccessStore, "get"> {
  const read = new Map<string, Promise<unknown>>();
  return {
    get: <R extends { readonly revision: number }>(kind: AccessKind<R>, id: string) => {
      const key = `${kind.kind} ${id}`;
      const found = (read.get(key) as Promise<R | null> | undefined) ?? access.get(kind, id);
      read.set(key, found);
      return found;
    },
  };
}

/** Judges one item as a single request is judged. */
const judge =
  (deps: JudgeDependencies, actor: Actor, item: BatchItem) =>
  async (head: number): Promise<Judged> => {
    try {
      const built = await buildOf(deps, actor, item)(head);
      if (!("unchanged" in built)) {
        deps.store.plan(built.commit);
        return { commit: built.commit };
      }
      const { domain, hosts } = built.unchanged;
      return { result: { kind: "unchanged", revision: shownRecord(domain, hosts).revision } };
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      return { result: { kind: "failed", error } };
    }
  };

function buildOf(
  deps: JudgeDependencies,
  actor: Actor,
  item: BatchItem,
): (head: number) => Promise<Planned<DomainWithHosts | null> | Unchanged<DomainWithHosts>> {
  const { name } = item;
  switch (item.kind) {
    case "put":
      return buildDomainWrite(deps, { actor, name }, putOfDomain(name, item.input, item));
    case "patch":
      return buildDomainWrite(deps, { actor, name }, patchOfDomain(name, item.patch, item));
    case "delete":
      return buildDomainDelete(deps, { actor, name }, item.condition);
    default:
      return item satisfies never;
  }
}

/** What the items write; what the stored domains name is read with them. */
function namedBy({ account }: Actor, items: readonly BatchItem[]): NamedByBatch {
  const written = items.map(writtenBy);
  return {
    account,
    domains: [...new Set(items.map(({ name }) => name))],
    hosts: written
      .flatMap((document) => textsAt(document, ["mxHosts"]))
      .flatMap((text) => toDomainName(text) ?? []),
    certificates: written.flatMap((document) => textsAt(document, CERTIFICATE_AT)).filter(isCertificateId),
    trustStores: written.flatMap((document) => textsAt(document, TRUST_STORES_AT)).filter(isTrustStoreId),
  };
}

const CERTIFICATE_AT = ["tls", "server", "certificateId"];
const TRUST_STORES_AT = ["tls", "clientCertificate", "trust", "trustStoreIds"];

const writtenBy = (item: BatchItem): unknown => {
  if (item.kind === "put") return item.input;
  return item.kind === "patch" ? item.patch : null;
};

/** A text, or the texts of a list, at a path of a document that may be anything. */
function textsAt(document: unknown, path: readonly string[]): string[] {
  const found = path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    document,
  );
  return [found].flat().filter((value) => typeof value === "string");
}
