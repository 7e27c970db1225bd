import { Contention } from "../../core/errors.ts";
import type { Commit, LogEntry, Store, WriterLine, WriterQueue } from "../../core/settings/store.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** How long requests take, as measured of DynamoDB from a Lambda function in its region. */
const READ_MS = 4;
const UPDATE_MS = 6;
const TRANSACTION_MS = 20;

export interface RemoteStore {
  readonly store: Store;
  /** Sent so far. */
  readonly transactions: () => number;
}

/**
 * A store that many processes reach over a network, in virtual time: `local` holds the data. A transaction that begins while
 * another is at the head is cancelled, as DynamoDB does (TransactionConflict); worse than there, one that will be cancelled is in
 * the way of others too.
 */
export function remoteStore(local: Store, time: VirtualTime): RemoteStore {
  let [taken, served, transactions] = [0, 0, 0];
  const left = new Set<number>();
  let atHead = 0;
  const read = async <T>(action: () => Promise<T>): Promise<T> => {
    await time.sleep(READ_MS);
    return action();
  };
  const queue: WriterQueue = {
    enter: async () => {
      await time.sleep(UPDATE_MS);
      taken += 1;
      return taken;
    },
    line: () =>
      read(
        async (): Promise<WriterLine> => ({ head: await local.head(), served, taken, left: new Set(left) }),
      ),
    leave: async (ticket) => {
      await time.sleep(UPDATE_MS);
      left.add(ticket);
    },
  };
  const commit = async (wanted: Commit): Promise<LogEntry> => {
    transactions += 1;
    const conflicts = atHead > 0;
    atHead += 1;
    try {
      await time.sleep(TRANSACTION_MS);
      if (conflicts) throw new Contention("another transaction is at the head");
      const entry = await local.commit(wanted);
      served = wanted.ticket ?? served;
      return entry;
    } finally {
      atHead -= 1;
    }
  };
  const store: Store = {
    queue: async () => queue,
    commit,
    head: () => read(() => local.head()),
    getDomain: (id) => read(() => local.getDomain(id)),
    getDomainWithHosts: (id) => read(() => local.getDomainWithHosts(id)),
    getUnreadable: (kind, id, account) => read(() => local.getUnreadable(kind, id, account)),
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
  return { store, transactions: () => transactions };
}
