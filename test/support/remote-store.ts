import { Contention } from "../../core/errors.ts";
import type { Commit, LogEntry, Store, WriterLine, WriterQueue } from "../../core/store/store.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long requests take, as measured of DynamoDB from a Lambda function in its region. */
const READ_MS = 4;
const UPDATE_MS = 6;
const TRANSACTION_MS = 20;

/** Of the writes of one transaction. */
const MOST_ALONG = 15;

export interface RemoteStore {
  readonly store: Store;
  /** Sent so far. */
  readonly transactions: () => number;
  /** Sent so far, transactions too. */
  readonly requests: () => number;
}

/** What a request takes of the processors that client and service share, beside the time on its way. */
export interface Processors {
  readonly count: number;
  readonly readMs: number;
  readonly updateMs: number;
  readonly transactionMs: number;
}

const WITHOUT_LIMIT: Processors = {
  count: Number.POSITIVE_INFINITY,
  readMs: 0,
  updateMs: 0,
  transactionMs: 0,
};

/**
 * A store that many processes reach over a network, in virtual time: `local` holds the data. A transaction
 * that begins while another is at the head is cancelled, as DynamoDB does (TransactionConflict); worse than
 * there, one that will be cancelled is in the way of others too.
 */
export function remoteStore(local: Store, time: VirtualTime, processors = WITHOUT_LIMIT): RemoteStore {
  let [taken, served, transactions, requests] = [0, 0, 0, 0];
  const offers = new Map<number, Commit | { readonly storedAt: number }>();
  const left = new Set<number>();
  let atHead = 0;
  const work = workOn(processors.count, time);
  const request = async <T>(onTheWayMs: number, busyMs: number, action: () => T | Promise<T>): Promise<T> => {
    requests += 1;
    await time.sleep(onTheWayMs / 2);
    await work(busyMs);
    // At the service, half of its way before the caller hears of it.
    const done = Promise.resolve().then(action);
    done.catch(() => undefined);
    await time.sleep(onTheWayMs / 2);
    return done;
  };
  const read = <T>(action: () => Promise<T>): Promise<T> => request(READ_MS, processors.readMs, action);
  const queue: WriterQueue = {
    enter: () =>
      request(UPDATE_MS, processors.updateMs, () => {
        taken += 1;
        return taken;
      }),
    line: ({ entry, offer } = {}) =>
      read(async (): Promise<WriterLine> => {
        const entries = entry === undefined ? [] : (await local.changesAfter(entry - 1, 1)).entries;
        const offered = offer === undefined ? undefined : offers.get(offer);
        const head = await local.head();
        return {
          head,
          served,
          taken,
          left: new Set(left),
          entry: entries[0] ?? null,
          storedAt: offered !== undefined && "storedAt" in offered ? offered.storedAt : null,
        };
      }),
    offer: ({ ticket, commit: offered }) =>
      request(UPDATE_MS, processors.updateMs, () => {
        offers.set(ticket, offered);
        return true;
      }),
    offersAfter: (ticket) =>
      read(async () =>
        Array.from({ length: 25 }, (_, index) => ticket + 1 + index).flatMap((each) => {
          const offered = offers.get(each);
          return offered === undefined || "storedAt" in offered ? [] : [{ ticket: each, commit: offered }];
        }),
      ),
    withdraw: (ticket) =>
      request(UPDATE_MS, processors.updateMs, () => {
        const offered = offers.get(ticket);
        if (offered !== undefined && "storedAt" in offered) return offered.storedAt;
        offers.delete(ticket);
        return null;
      }),
    leave: (ticket) =>
      request(UPDATE_MS, processors.updateMs, () => {
        left.add(ticket);
      }),
  };
  const commit = (wanted: Commit): Promise<LogEntry> => {
    transactions += 1;
    const conflicts = atHead > 0;
    atHead += 1;
    return request(TRANSACTION_MS, processors.transactionMs, async () => {
      atHead -= 1;
      if (conflicts) throw new Contention("another transaction is at the head");
      const along = (wanted.along ?? []).slice(0, MOST_ALONG);
      const settled = [
        ...along.map(({ ticket }) => ticket),
        ...(wanted.offered === undefined ? [] : [wanted.offered]),
      ];
      const isThere = (ticket: number): boolean =>
        offers.has(ticket) && !("storedAt" in (offers.get(ticket) ?? {}));
      if (!settled.every(isThere)) throw new Contention("an offer is gone");
      const entry = await local.commit(wanted);
      if (wanted.offered !== undefined) offers.set(wanted.offered, { storedAt: entry.revision });
      // One transaction there; here each has to hold by itself, or the test is at fault.
      for (const { ticket, commit: other } of along) {
        const { revision } = await local.commit(other);
        offers.set(ticket, { storedAt: revision });
      }
      if (wanted.ticket !== undefined) served = along.at(-1)?.ticket ?? wanted.ticket;
      return entry;
    });
  };
  const store: Store = {
    hostsPerCommit: local.hostsPerCommit,
    queue: async () => queue,
    commit,
    commitAll: (commits, extent) => {
      transactions += 1;
      return request(TRANSACTION_MS, processors.transactionMs, () => local.commitAll(commits, extent));
    },
    getRecords: (kind, ids) => read(() => local.getRecords(kind, ids)),
    domainsByHost: (account, hosts) => read(() => local.domainsByHost(account, hosts)),
    head: () => read(() => local.head()),
    getDomain: (id) => read(() => local.getDomain(id)),
    getDomainWithHosts: (id) => read(() => local.getDomainWithHosts(id)),
    getUnreadable: (kind, id, account) => read(() => local.getUnreadable(kind, id, account)),
    getRaw: (kind, id, account) => read(() => local.getRaw(kind, id, account)),
    oldestRevision: () => read(() => local.oldestRevision()),
    getCertificate: (id) => read(() => local.getCertificate(id)),
    getTrustStore: (id) => read(() => local.getTrustStore(id)),
    getMxHosts: (hosts) => read(() => local.getMxHosts(hosts)),
    useCount: (kind, id) => read(() => local.useCount(kind, id)),
    listDomains: (filter, page) => read(() => local.listDomains(filter, page)),
    listCertificates: (account, page) => read(() => local.listCertificates(account, page)),
    listTrustStores: (account, page) => read(() => local.listTrustStores(account, page)),
    hostsOfCertificate: (id, limit) => read(() => local.hostsOfCertificate(id, limit)),
    firstDomainsOnHosts: (account, hosts, limit) =>
      read(() => local.firstDomainsOnHosts(account, hosts, limit)),
    firstDomainsOfTrustStore: (id, limit) => read(() => local.firstDomainsOfTrustStore(id, limit)),
    domainsOnHosts: (account, hosts, limit) => read(() => local.domainsOnHosts(account, hosts, limit)),
    hasDomainBeside: (names) => read(() => local.hasDomainBeside(names)),
    domainsOfTrustStore: (id) => read(() => local.domainsOfTrustStore(id)),
    changesAfter: async (revision, limit) => {
      // The head, and then the entries.
      if ((await read(() => local.head())) === revision) return { entries: [], head: revision };
      return read(() => local.changesAfter(revision, limit));
    },
    changesBefore: (revision, limit) => read(() => local.changesBefore(revision, limit)),
    loadAll: () => read(() => local.loadAll()),
    ping: () => read(() => local.ping()),
  };
  return { store, transactions: () => transactions, requests: () => requests };
}

/** Work in order of arrival, `count` pieces of it at the same time. */
function workOn(count: number, time: VirtualTime): (ms: number) => Promise<void> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (ms) => {
    if (ms === 0) return;
    if (free > 0) free -= 1;
    else await new Promise<void>((resume) => waiting.push(resume));
    await time.sleep(ms);
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
}
