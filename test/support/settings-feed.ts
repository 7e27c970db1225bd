import { type DomainName, parseDomainName } from "../../core/name/domain-name.ts";
import type { DomainRecord, TlsLevel } from "../../core/record/domain.ts";
import type { Snapshot } from "../../core/snapshot/snapshot-view.ts";
import type {
  ChangeFeed,
  FeedEntry,
  LogEntry,
  RecordChange,
  Store,
  StoreContents,
} from "../../core/store/store.ts";
import { BUILT_AT, domainRecord } from "./records.ts";

/** A domain with defaults at one level; enough for what polls and reports. */
export const domainAtLevel = (name: string, level: TlsLevel, revision: number): DomainRecord =>
  domainRecord({ name, server: { level }, revision });

export function feedEntry(revision: number, record: RecordChange): FeedEntry {
  const action = record.before === null ? "create" : record.after === null ? "delete" : "update";
  const entry: LogEntry = {
    revision,
    at: BUILT_AT,
    account: "default",
    actor: "test",
    action,
    record,
    hosts: [],
  };
  return { kind: "entry", entry };
}

/** The entry that sets a domain to a level. */
export function levelEntry(revision: number, name: string, level: TlsLevel): FeedEntry {
  const after = domainAtLevel(name, level, revision);
  return feedEntry(revision, { kind: "domain", id: after.name, before: null, after });
}

export function contents(revision: number, domains: readonly DomainRecord[]): StoreContents {
  return { revision, domains, mxHosts: [], certificates: [], trustStores: [], unreadable: [] };
}

export const levelOf = (
  snapshot: { domain(name: DomainName): DomainRecord | "unusable" | undefined } | null,
  name: string,
): TlsLevel | "unusable" | undefined => {
  const domain = snapshot?.domain(parseDomainName(name));
  return typeof domain === "object" ? domain.tls.server.level : domain;
};

/** A snapshot by the revisions of its records, to compare one with another. */
export interface Shown {
  readonly revision: number;
  /** Name, or id, with the revision of the version in force. */
  readonly domains: readonly string[];
  readonly certificates: readonly string[];
  readonly trustStores: readonly string[];
  /** Hosts that a domain names, with the certificate that they present. */
  readonly hosts: readonly string[];
  readonly unreadable: readonly string[];
}

export const shown = (snapshot: Snapshot): Shown => ({
  revision: snapshot.revision,
  domains: [...snapshot.domains.records()].map((domain) => `${domain.name} ${domain.revision}`).toSorted(),
  certificates: [...snapshot.certificates()].map(({ id, revision }) => `${id} ${revision}`).toSorted(),
  trustStores: [...snapshot.trustStores()].map(({ id, revision }) => `${id} ${revision}`).toSorted(),
  hosts: [...snapshot.hosts()].map(({ host, certificateId: id }) => `${host} ${id ?? "default"}`).toSorted(),
  unreadable: snapshot.unreadable.map(({ kind, id, problem }) => `${kind} ${id}: ${problem}`).toSorted(),
});

/** The reading side of a store whose answers a test sets by hand; an Error is thrown. */
export class ScriptedStore implements Pick<Store, "changesAfter" | "loadAll"> {
  contents: StoreContents | Error = contents(0, []);
  log: readonly FeedEntry[] | Error = [];
  head = 0;
  /** Calls in order: `all`, `after 3`. */
  readonly calls: string[] = [];
  running = 0;
  mostAtOnce = 0;

  async loadAll(): Promise<StoreContents> {
    return this.#answer("all", this.contents);
  }

  async changesAfter(revision: number, limit: number): Promise<ChangeFeed> {
    const log = await this.#answer(`after ${revision}`, this.log);
    const revisionOf = (entry: FeedEntry): number =>
      entry.kind === "entry" ? entry.entry.revision : entry.revision;
    return { entries: log.filter((entry) => revisionOf(entry) > revision).slice(0, limit), head: this.head };
  }

  async #answer<T>(call: string, answer: T | Error): Promise<T> {
    this.calls.push(call);
    this.running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    await new Promise((resolve) => setImmediate(resolve));
    this.running -= 1;
    if (answer instanceof Error) throw answer;
    return answer;
  }
}
