import {
  type Call,
  type CallOptions,
  type ConditionOptions,
  dataOf,
  type KeyOptions,
  recordOf,
  type Tagged,
} from "./call.ts";
import type { QueryOf } from "./operations.ts";
import { type List, listOf } from "./pages.ts";
import type {
  Certificate,
  CertificateInput,
  CertificateMaterialInput,
  CertificatePage,
  CertificatePatch,
  CertificateStatus,
  CertificateVersionList,
} from "./schemas.ts";

const CERTIFICATES = "/v1/certificates";
const CERTIFICATE = "/v1/certificates/{id}";

export type CertificateFilter = QueryOf<"/v1/certificates", "get">;

export interface CertificateDeleteOptions extends ConditionOptions {
  /** Id of a certificate that every MX host of this one serves from then on, by the same change. */
  readonly replaceWith?: string | undefined;
}

export interface Certificates {
  list(filter?: CertificateFilter, options?: CallOptions): List<CertificatePage>;
  get(id: string, options?: ConditionOptions): Promise<Tagged<Certificate>>;
  create(certificate: CertificateInput, options?: KeyOptions): Promise<Tagged<Certificate>>;
  patch(id: string, patch: CertificatePatch, options: ConditionOptions): Promise<Tagged<Certificate>>;
  delete(id: string, options: CertificateDeleteOptions): Promise<void>;
  /** The chain that is served, as PEM. */
  chainPem(id: string, options?: ConditionOptions): Promise<string>;
  /** The signing requests of the keys that wait for their certificate, as PEM. */
  csrPem(id: string, options?: ConditionOptions): Promise<string>;
  /** A new version of the same certificate. */
  putMaterial(
    id: string,
    material: CertificateMaterialInput,
    options: ConditionOptions,
  ): Promise<Tagged<Certificate>>;
  versions(id: string, options?: ConditionOptions): Promise<Tagged<CertificateVersionList>>;
  rollback(id: string, version: number, options: ConditionOptions & KeyOptions): Promise<Tagged<Certificate>>;
  makeNextKey(id: string, options: ConditionOptions & KeyOptions): Promise<Tagged<Certificate>>;
  discardNextKey(id: string, options: ConditionOptions): Promise<Tagged<Certificate>>;
  /** Switches to the next keys. */
  rotate(id: string, options: ConditionOptions & KeyOptions): Promise<Tagged<Certificate>>;
  /** Renews before its time. */
  renew(id: string, options: ConditionOptions & KeyOptions): Promise<Tagged<Certificate>>;
  /** The version that each edge presents. */
  status(id: string, options?: CallOptions): Promise<CertificateStatus>;
}

export function certificates(call: Call): Certificates {
  return {
    list: (filter = {}, options = {}) =>
      listOf((cursor = filter.cursor) =>
        dataOf(call("get", CERTIFICATES, { query: { ...filter, cursor }, options })),
      ),
    get: (id, options = {}) => recordOf(call("get", CERTIFICATE, { path: { id }, options })),
    create: (body, options = {}) => recordOf(call("post", CERTIFICATES, { body, options })),
    patch: (id, body, options) => recordOf(call("patch", CERTIFICATE, { path: { id }, body, options })),
    delete: (id, options) => {
      const query = { replaceWith: options.replaceWith };
      return dataOf(call("delete", CERTIFICATE, { path: { id }, query, options }));
    },
    chainPem: (id, options = {}) =>
      dataOf(call("get", `${CERTIFICATE}/chain.pem`, { path: { id }, options })),
    csrPem: (id, options = {}) => dataOf(call("get", `${CERTIFICATE}/csr.pem`, { path: { id }, options })),
    putMaterial: (id, body, options) =>
      recordOf(call("put", `${CERTIFICATE}/material`, { path: { id }, body, options })),
    versions: (id, options = {}) =>
      recordOf(call("get", `${CERTIFICATE}/versions`, { path: { id }, options })),
    rollback: (id, version, options) =>
      recordOf(call("post", `${CERTIFICATE}/rollback`, { path: { id }, body: { version }, options })),
    makeNextKey: (id, options) =>
      recordOf(call("post", `${CERTIFICATE}/next-key`, { path: { id }, options })),
    discardNextKey: (id, options) =>
      recordOf(call("delete", `${CERTIFICATE}/next-key`, { path: { id }, options })),
    rotate: (id, options) => recordOf(call("post", `${CERTIFICATE}/rotate`, { path: { id }, options })),
    renew: (id, options) => recordOf(call("post", `${CERTIFICATE}/renew`, { path: { id }, options })),
    status: (id, options = {}) => dataOf(call("get", `${CERTIFICATE}/status`, { path: { id }, options })),
  };
}
