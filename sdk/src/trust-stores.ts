import {
  type Call,
  type CallOptions,
  type ConditionOptions,
  dataOf,
  type KeyOptions,
  recordOf,
  type Tagged,
} from "./call.ts";
import type { BodyOf, QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type { TrustStore, TrustStoreDocument, TrustStoreInput, TrustStorePage } from "./schemas.ts";

const TRUST_STORES = "/v1/trust-stores";
const TRUST_STORE = "/v1/trust-stores/{id}";

export type TrustStoreFilter = QueryOf<"/v1/trust-stores", "get">;
export type TrustStoreRestore = BodyOf<"/v1/trust-stores/{id}/restore", "post">;

export interface TrustStores {
  list(filter?: TrustStoreFilter, options?: CallOptions): List<TrustStorePage>;
  get(id: string, options?: ConditionOptions): Promise<Tagged<TrustStore>>;
  create(trustStore: TrustStoreInput, options?: KeyOptions): Promise<Tagged<TrustStore>>;
  put(id: string, trustStore: TrustStoreDocument, options: ConditionOptions): Promise<Tagged<TrustStore>>;
  delete(id: string, options: ConditionOptions): Promise<void>;
  /** Puts earlier contents in force again. */
  restore(
    id: string,
    earlier: TrustStoreRestore,
    options: ConditionOptions & KeyOptions,
  ): Promise<Tagged<TrustStore>>;
}

export function trustStores(call: Call): TrustStores {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", TRUST_STORES, { query: { ...filter, cursor }, options })),
      ),
    get: (id, options = {}) => recordOf(call("get", TRUST_STORE, { path: { id }, options })),
    create: (body, options = {}) => recordOf(call("post", TRUST_STORES, { body, options })),
    put: (id, body, options) => recordOf(call("put", TRUST_STORE, { path: { id }, body, options })),
    delete: (id, options) => dataOf(call("delete", TRUST_STORE, { path: { id }, options })),
    restore: (id, body, options) =>
      recordOf(call("post", `${TRUST_STORE}/restore`, { path: { id }, body, options })),
  };
}
