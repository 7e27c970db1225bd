import { createCall, type PosternOptions } from "./call.ts";
import { type Certificates, certificates } from "./certificates.ts";
import { type Changes, changes } from "./changes.ts";
import { type Domains, domains } from "./domains.ts";
import { type Edges, edges } from "./edges.ts";
import { REAL_EFFECTS } from "./effects.ts";
import { type TrustStores, trustStores } from "./trust-stores.ts";

/** The API of one deployment, as one caller. */
export interface Postern {
  readonly domains: Domains;
  readonly certificates: Certificates;
  readonly trustStores: TrustStores;
  readonly changes: Changes;
  readonly edges: Edges;
}

/**
 * Opens no connection: the first call does.
 *
 * @throws TypeError if the URL is not one of an API.
 */
export function createPostern(options: PosternOptions): Postern {
  const call = createCall(options);
  return {
    domains: domains(call, options.effects ?? REAL_EFFECTS),
    certificates: certificates(call),
    trustStores: trustStores(call),
    changes: changes(call),
    edges: edges(call),
  };
}

export { PosternNotAppliedError, type WaitOptions } from "./applied.ts";
export type { Auth, CallOptions, ConditionOptions, Match, PosternOptions, Signer, Tagged } from "./call.ts";
export type { CertificateDeleteOptions, CertificateFilter, Certificates } from "./certificates.ts";
export type { ChangeFilter, Changes } from "./changes.ts";
export type { DomainFilter, Domains, DomainWriteOptions } from "./domains.ts";
export type { Edges } from "./edges.ts";
export type { Effects } from "./effects.ts";
export { PosternError, PosternNetworkError, type ProblemCode, type ProblemDetail } from "./errors.ts";
export { PROBLEM_CODES } from "./generated/problem-codes.ts";
export type { List } from "./pages.ts";
export type {
  Certificate,
  CertificateInput,
  CertificateMaterialInput,
  CertificatePage,
  CertificatePatch,
  CertificateStatus,
  CertificateVersionList,
  Change,
  ChangePage,
  Domain,
  DomainInput,
  DomainPage,
  DomainPatch,
  DomainStatus,
  Edge,
  EdgePage,
  TlsInput,
  TlsPatch,
  TlsSettings,
  TrustStore,
  TrustStoreDocument,
  TrustStoreInput,
  TrustStorePage,
  TrustStoreSummary,
} from "./schemas.ts";
export type { TrustStoreFilter, TrustStoreRestore, TrustStores } from "./trust-stores.ts";
