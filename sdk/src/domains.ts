import { type ReadStatus, type WaitOptions, waitUntilApplied } from "./applied.ts";
import {
  type Call,
  type CallOptions,
  type ConditionOptions,
  dataOf,
  type KeyOptions,
  recordOf,
  type Tagged,
} from "./call.ts";
import type { Effects } from "./effects.ts";
import type { QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type {
  Domain,
  DomainBatchItemInput,
  DomainBatchResult,
  DomainInput,
  DomainPage,
  DomainPatch,
  DomainStatus,
  TlsInput,
  TlsPatch,
  TlsSettings,
} from "./schemas.ts";

const DOMAIN = "/v1/domains/{name}";
const STATUS = "/v1/domains/{name}/status";
const TLS = "/v1/domains/{name}/tls";

export type DomainFilter = QueryOf<"/v1/domains", "get">;

export interface DomainWriteOptions extends ConditionOptions {
  /** `move`: also change the certificate that the account's other domains serve on these MX hosts. */
  readonly sharedHosts?: "move" | undefined;
}

export interface Domains {
  list(filter?: DomainFilter, options?: CallOptions): List<DomainPage>;
  get(name: string, options?: ConditionOptions): Promise<Tagged<Domain>>;
  /** Creates the domain; replaces it with `ifMatch`. */
  put(name: string, settings: DomainInput, options?: DomainWriteOptions): Promise<Tagged<Domain>>;
  patch(name: string, patch: DomainPatch, options: DomainWriteOptions): Promise<Tagged<Domain>>;
  delete(name: string, options: ConditionOptions): Promise<void>;
  /**
   * Applies up to 100 writes in order. An item that fails changes nothing of the others, and its result has
   * the problem.
   *
   * @returns a result for each item, in order
   */
  batch(items: readonly DomainBatchItemInput[], options?: KeyOptions): Promise<readonly DomainBatchResult[]>;
  /** Looks for the TXT records of the pending names now; the answer shows what is pending still. */
  verify(name: string, options?: CallOptions): Promise<Tagged<Domain>>;
  /** Takes the pending names of an account's domain as its own. Needs the scope `operator`. */
  confirm(name: string, options?: CallOptions): Promise<Tagged<Domain>>;
  /** Which edges enforce the settings, and what they serve. */
  status(name: string, options?: CallOptions): Promise<DomainStatus>;
  /**
   * Resolves with the status as soon as every live edge enforces the revision.
   *
   * @throws PosternNotAppliedError, which names the edges that do not, when the time is over.
   */
  waitUntilApplied(name: string, revision: number, options?: WaitOptions): Promise<DomainStatus>;
  /** The settings of TLS alone, under the entity tag of the domain. */
  readonly tls: {
    get(name: string, options?: ConditionOptions): Promise<Tagged<TlsSettings>>;
    put(name: string, settings: TlsInput, options: DomainWriteOptions): Promise<Tagged<TlsSettings>>;
    patch(name: string, patch: TlsPatch, options: DomainWriteOptions): Promise<Tagged<TlsSettings>>;
  };
}

export function domains(call: Call, effects: Effects): Domains {
  const statusOf = (name: string, query: QueryOf<typeof STATUS, "get">, options: CallOptions) =>
    dataOf(call("get", STATUS, { path: { name }, query, options }));
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", "/v1/domains", { query: { ...filter, cursor }, options })),
      ),
    get: (name, options = {}) => recordOf(call("get", DOMAIN, { path: { name }, options })),
    put: (name, body, options = {}) =>
      recordOf(call("put", DOMAIN, { path: { name }, query: sharedOf(options), body, options })),
    patch: (name, body, options) =>
      recordOf(call("patch", DOMAIN, { path: { name }, query: sharedOf(options), body, options })),
    delete: (name, options) => dataOf(call("delete", DOMAIN, { path: { name }, options })),
    batch: async (items, options = {}) =>
      (await dataOf(call("post", "/v1/domains:batch", { body: { items }, options }))).results,
    verify: (name, options = {}) =>
      recordOf(call("post", "/v1/domains/{name}/verify", { path: { name }, options })),
    confirm: (name, options = {}) =>
      recordOf(call("post", "/v1/domains/{name}/confirm", { path: { name }, options })),
    status: (name, options = {}) => statusOf(name, {}, options),
    waitUntilApplied: (name, revision, options = {}) => {
      const read: ReadStatus = (signal, query) => statusOf(name, query ?? {}, { signal });
      return waitUntilApplied(read, { name, revision, options, effects });
    },
    tls: {
      get: (name, options = {}) => recordOf(call("get", TLS, { path: { name }, options })),
      put: (name, body, options) =>
        recordOf(call("put", TLS, { path: { name }, query: sharedOf(options), body, options })),
      patch: (name, body, options) =>
        recordOf(call("patch", TLS, { path: { name }, query: sharedOf(options), body, options })),
    },
  };
}

const sharedOf = ({ sharedHosts }: DomainWriteOptions) => ({ sharedHosts });
