import { setTimeout as sleep } from "node:timers/promises";
import { vi } from "vitest";
import type { CertificateRecord } from "../../core/record/certificate.ts";
import type { CertificateId, TrustStoreId } from "../../core/name/ids.ts";
import type { TrustStoreRecord } from "../../core/record/trust-store.ts";
import type { DomainName } from "../../core/name/domain-name.ts";
import { RuleViolation } from "../../core/errors.ts";
import type { DomainRecord } from "../../core/record/domain.ts";
import { planWrite, readHosts, type WritePlan } from "../../core/management/plan-write.ts";
import type {
  Commit,
  FeedEntry,
  LogEntry,
  RecordChange,
  Store,
  UnreadableItem,
} from "../../core/store/store.ts";
import { commitWithRetry, type WriteEffects } from "../../core/store/commit-with-retry.ts";
import { BUILT_AT, certificateId, type DomainParts, domainRecord, trustStoreId } from "../support/records.ts";

export type HostAttribute = "account" | "certificateId" | "domainCount";

/** An empty store, and operations that the port does not have. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Another client of the same data: another connection, where the store supports one. */
  readonly other: Store;
  /**
   * Overwrites a stored item, or an attribute of a host's, with something that no release can read; its key
   * stays.
   */
  spoil(kind: UnreadableItem["kind"], id: string, attribute?: HostAttribute): Promise<void>;
  /** Ends every client and opens a new one on what was stored. */
  reopen(): Promise<Store>;
  close(): Promise<void>;
}

export interface StoreContract {
  readonly name: string;
  readonly create: () => Promise<StoreUnderTest>;
  /**
   * Operations that this implementation does not support, with the reason; another test replaces the case.
   */
  readonly cannot?: { readonly reopen?: string; readonly queue?: string };
}

export const EFFECTS: WriteEffects = {
  now: () => performance.now(),
  random: Math.random,
  sleep: async (ms) => {
    await sleep(ms);
  },
};

/** Lists may lag behind writes: retries until the expectation holds. */
export const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 60_000, interval: 20 });

/** A commit of one record only; `parts` are the members under test. */
export function commitOf(record: RecordChange, parts: Partial<Commit> = {}): Commit {
  const account = (record.after ?? record.before)?.account ?? "default";
  return { record, hosts: [], uses: [], account, actor: "test", at: BUILT_AT, expectedHead: 0, ...parts };
}

/** Writes as the services do: read, plan, commit, and again under contention. */
export class Writer {
  readonly store: Store;
  readonly #effects: WriteEffects;

  constructor(store: Store, effects: WriteEffects = EFFECTS) {
    this.store = store;
    this.#effects = effects;
  }

  /** Creates or replaces a domain. @throws RuleViolation when its certificate does not exist. */
  putDomain(parts: DomainParts): Promise<LogEntry> {
    const after = domainRecord(parts);
    const wanted = after.tls.server.certificateId;
    return this.#commit(async (expectedHead) => {
      if (wanted !== null && (await this.store.getCertificate(wanted)) === null) throw unknownCertificate();
      return this.planDomain(after.name, after, expectedHead);
    });
  }

  deleteDomain(id: DomainName): Promise<LogEntry> {
    return this.#commit((expectedHead) => this.planDomain(id, null, expectedHead));
  }

  /** The commit of a domain write at this head; null = it deletes. */
  async planDomain(id: DomainName, after: DomainRecord | null, expectedHead: number): Promise<Commit> {
    const stored = await this.store.getDomainWithHosts(id);
    const before = stored?.domain ?? null;
    const found = await readHosts(this.store, stored, after);
    const wanted = after?.tls.server.certificateId ?? null;
    const plan = planWrite({ before, after, certificateId: wanted, ...found });
    return commitOf({ kind: "domain", id, before, after }, { ...partsOf(plan), expectedHead });
  }

  putCertificate(after: CertificateRecord): Promise<LogEntry> {
    const { id } = after;
    return this.#commit(async (expectedHead) =>
      commitOf(
        { kind: "certificate", id, before: await this.store.getCertificate(id), after },
        { expectedHead },
      ),
    );
  }

  deleteCertificate(id: CertificateId): Promise<LogEntry> {
    return this.#commit(async (expectedHead) => {
      const before = await this.store.getCertificate(id);
      return commitOf({ kind: "certificate", id, before, after: null }, { expectedHead });
    });
  }

  putTrustStore(after: TrustStoreRecord): Promise<LogEntry> {
    const { id } = after;
    return this.#commit(async (expectedHead) =>
      commitOf(
        { kind: "trust-store", id, before: await this.store.getTrustStore(id), after },
        { expectedHead },
      ),
    );
  }

  deleteTrustStore(id: TrustStoreId): Promise<LogEntry> {
    return this.#commit(async (expectedHead) => {
      const before = await this.store.getTrustStore(id);
      return commitOf({ kind: "trust-store", id, before, after: null }, { expectedHead });
    });
  }

  async #commit(build: (head: number) => Promise<Commit>): Promise<LogEntry> {
    const planned = async (head: number) => ({ commit: await build(head), result: null });
    const { entry } = await commitWithRetry(this.store, planned, this.#effects);
    if (entry === null) throw new TypeError("a planned write is stored");
    return entry;
  }
}

/** The parts of a plan that a commit needs. */
export const partsOf = ({ hosts, hostsRead, uses }: WritePlan): Partial<Commit> => ({
  hosts,
  hostsRead,
  uses,
});

const unknownCertificate = () =>
  new RuleViolation([
    { pointer: "/tls/server/certificateId", code: "unknown-certificate", message: "unknown certificate" },
  ]);

/** The visible state of a test's first ids: equal before and after a write that must store nothing. */
export async function everything(store: Store) {
  const ids = [1, 2, 3];
  return {
    contents: sorted(await store.loadAll()),
    feed: await store.changesAfter(0, 1000),
    certificateUses: await Promise.all(ids.map((n) => store.useCount("certificate", certificateId(n)))),
    trustStoreUses: await Promise.all(ids.map((n) => store.useCount("trust-store", trustStoreId(n)))),
  };
}

type Contents = Awaited<ReturnType<Store["loadAll"]>>;

/** Contents are unordered. */
export function sorted(contents: Contents): Contents {
  const by = <T>(items: readonly T[], key: (item: T) => string): T[] =>
    items.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
  return {
    revision: contents.revision,
    domains: by(contents.domains, (domain) => domain.name),
    mxHosts: by(contents.mxHosts, (host) => host.host),
    certificates: by(contents.certificates, (certificate) => certificate.id),
    trustStores: by(contents.trustStores, (trustStore) => trustStore.id),
    unreadable: by(contents.unreadable, (item) => `${item.kind} ${item.id}`),
  };
}

/** The contents at a revision, from the log alone. */
export function replay(log: readonly LogEntry[], revision: number): Contents {
  const records = new Map<string, RecordChange>();
  const hosts = new Map<DomainName, Contents["mxHosts"][number]>();
  for (const entry of log.slice(0, revision)) {
    records.set(entry.record.id, entry.record);
    for (const { host, after } of entry.hosts) {
      if (after === null) hosts.delete(host);
      else hosts.set(host, after);
    }
  }
  const last = [...records.values()];
  return sorted({
    revision,
    domains: last.flatMap((record) => (record.kind === "domain" && record.after) || []),
    mxHosts: [...hosts.values()],
    certificates: last.flatMap((record) => (record.kind === "certificate" && record.after) || []),
    trustStores: last.flatMap((record) => (record.kind === "trust-store" && record.after) || []),
    unreadable: [],
  });
}

export function readableEntries(feed: readonly FeedEntry[]): LogEntry[] {
  return feed.map((item) => {
    if (item.kind === "unreadable")
      throw new Error(`entry ${item.revision} is unreadable: ${item.item.problem}`);
    return item.entry;
  });
}

/** The whole log, from the first entry. */
export async function wholeLog(store: Store): Promise<LogEntry[]> {
  const log: LogEntry[] = [];
  for (;;) {
    const { entries, head } = await store.changesAfter(log.length, 100);
    log.push(...readableEntries(entries));
    if (log.length >= head) return log;
    if (entries.length === 0) throw new Error(`the log ends at ${log.length} of ${head}`);
  }
}
