import { type Accounts, accounts, type Principals, principals, type Tokens, tokens } from "./access.ts";
import { type CallOptions, createCall, dataOf, type PosternOptions } from "./call.ts";
import { type Certificates, certificates } from "./certificates.ts";
import { type Changes, changes } from "./changes.ts";
import { type Domains, domains } from "./domains.ts";
import { type Edges, edges } from "./edges.ts";
import { REAL_EFFECTS } from "./effects.ts";
import type { QueryOf } from "./operations.ts";
import type { Caller, Evaluation, EvaluationRequest } from "./schemas.ts";
import { type TrustStores, trustStores } from "./trust-stores.ts";

/** The API of one deployment, as one caller. */
export interface Postern {
  readonly domains: Domains;
  readonly certificates: Certificates;
  readonly trustStores: TrustStores;
  readonly changes: Changes;
  readonly edges: Edges;
  readonly tokens: Tokens;
  readonly accounts: Accounts;
  readonly principals: Principals;
  /** The account and scopes that the credentials stand for. */
  whoami(options?: CallOptions): Promise<Caller>;
  /** What an edge would reply to a sender, and why. */
  evaluate(request: EvaluationRequest, options?: EvaluateOptions): Promise<Evaluation>;
}

/** `sharedHosts` is that of the draft's PUT. */
export type EvaluateOptions = CallOptions & QueryOf<"/v1/evaluate", "post">;

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
    tokens: tokens(call),
    accounts: accounts(call),
    principals: principals(call),
    whoami: (settings = {}) => dataOf(call("get", "/v1/whoami", { options: settings })),
    evaluate: (body, { sharedHosts, ...settings } = {}) =>
      dataOf(call("post", "/v1/evaluate", { body, query: { sharedHosts }, isRead: true, options: settings })),
  };
}

export type {
  AccountFilter,
  Accounts,
  PrincipalFilter,
  Principals,
  TokenFilter,
  Tokens,
} from "./access.ts";
export { PosternNotAppliedError, type WaitOptions } from "./applied.ts";
export type {
  Auth,
  CallOptions,
  ConditionOptions,
  KeyOptions,
  Match,
  PosternOptions,
  Signer,
  Tagged,
} from "./call.ts";
export type { CertificateDeleteOptions, CertificateFilter, Certificates } from "./certificates.ts";
export type { ChangeFilter, Changes, RevertOptions } from "./changes.ts";
export type { DomainFilter, Domains, DomainWriteOptions } from "./domains.ts";
export type { Edges } from "./edges.ts";
export type { Effects } from "./effects.ts";
export { PosternError, PosternNetworkError, type ProblemCode, type ProblemDetail } from "./errors.ts";
export { PROBLEM_CODES } from "./generated/problem-codes.ts";
export type { List } from "./pages.ts";
export type {
  Account,
  AccountDocument,
  AccountPage,
  Caller,
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
  DomainBatchItemInput,
  DomainBatchResult,
  DomainInput,
  DomainPage,
  DomainPatch,
  DomainStatus,
  Edge,
  EdgePage,
  Evaluation,
  EvaluationRequest,
  Principal,
  PrincipalDocument,
  PrincipalPage,
  TlsInput,
  TlsPatch,
  TlsSettings,
  Token,
  TokenInput,
  TokenMade,
  TokenPage,
  TrustStore,
  TrustStoreDocument,
  TrustStoreInput,
  TrustStorePage,
  TrustStoreSummary,
} from "./schemas.ts";
export type { TrustStoreFilter, TrustStoreRestore, TrustStores } from "./trust-stores.ts";
