import { randomBytes, randomUUID } from "node:crypto";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { ClientChainVerifier } from "../../core/policy/chain-verifier.ts";
import type { CertificateIssuer } from "../../core/management/certificate-issuer.ts";
import type { CreateCsr, MakeSelfSigned } from "../../core/x509/self-signed-request.ts";
import type { ReadPkcs12 } from "../../core/x509/pkcs12.ts";
import type { KeptAnswers } from "../../core/store/kept-answers.ts";
import type { WriteEffects } from "../../core/store/commit-with-retry.ts";
import type { RateLimits } from "../../core/access/rate-limit.ts";
import type { DefaultAccess } from "../../core/access/principal-arn.ts";
import type { Actor } from "../../core/actor.ts";
import { InvalidInput } from "../../core/errors.ts";
import type { BatchItem } from "../../core/management/domain-batch.ts";
import { issuesOf } from "../../core/management/schema-issues.ts";
import { type WaitEffects, WaitingRoom } from "../../core/management/waiting-room.ts";
import type { ServiceDependencies } from "../../core/management/service-dependencies.ts";
import { routeAcmeChallenge } from "./acme-challenge.route.ts";
import type { ApiEnv } from "./api-env.ts";
import { type ApiLog, loggedClientRequestId, loggedErrors, loggedPath } from "./api-log.ts";
import type { Authenticate } from "./caller.ts";
import { routeCertificateChanges, routeCertificates } from "./certificates.route.ts";
import { routeCertificateKeys, routeCertificateVersions } from "./certificate-versions.route.ts";
import { routeDomainBatch } from "./domain-batch.route.ts";
import { DOMAIN_OPERATIONS, routeDomains, routeOwnership, routeTls } from "./domains.route.ts";
import { routeEvaluate } from "./evaluate.route.ts";
import { judgeRead, readCondition } from "./conditions.ts";
import { answersKept } from "./kept-answers.ts";
import { loadedMethods, loadedOnce } from "./loaded.ts";
import { routeChanges } from "./changes.route.ts";
import { allowedMethods } from "./methods.ts";
import { type ReadinessCheck, routeHealth } from "./health.route.ts";
import { type Credentials, type PageFile, routeOpenApi } from "./openapi.ts";
import { matchedRoute, requireDeclaredScopes } from "./declared-routes.ts";
import { knownQueryOnly } from "./query-names.ts";
import { limitRate } from "./rate-limit.ts";
import { scopeOfRoute } from "./route-scopes.ts";
import { routeStatus } from "./status.route.ts";
import { routeAccounts, routePrincipals } from "./accounts.route.ts";
import { routeCaller, routeTokens } from "./tokens.route.ts";
import { SECRET_BYTES } from "../../core/access/token-text.ts";
import { routeTrustStores } from "./trust-stores.route.ts";
import { answerProblem, problemOf, statusOf } from "./problem.ts";

type Defaulted =
  | "retry"
  | "makeSelfSigned"
  | "createCsr"
  | "readPkcs12"
  | "issuer"
  | "acmeDirectories"
  | "defaultAccess"
  | "issuanceRequested";

export interface ApiDependencies extends Omit<ServiceDependencies, Defaulted> {
  readonly authenticate: Authenticate;
  readonly log: ApiLog;
  /** Of requests with an Idempotency-Key. */
  readonly keptAnswers: KeptAnswers;
  /** What else /health/ready waits for; the store is asked always. */
  readonly readiness?: ReadinessCheck;
  /** Files of the page at /docs by their path, on the operator's own machine; left out = none. */
  readonly docs?: Readonly<Record<string, PageFile>>;
  /** Security scheme of the OpenAPI document; `bearer` when left out. */
  readonly credentials?: Credentials;
  /** What issues certificates; left out = nothing does. */
  readonly issuer?: CertificateIssuer;
  /** Judges the chains of evaluations, and none of live mail; left out = they are not judged. */
  readonly chainVerifier?: ClientChainVerifier;
  /** Names in ACME_DIRECTORIES; left out = none. */
  readonly acmeDirectories?: readonly string[];
  /** Called when an order is due at once; left out = the schedule finds it within its interval. */
  readonly issuanceRequested?: () => void;
  /** What an IAM caller without a record may do; left out = none, where no caller is known by IAM. */
  readonly defaultAccess?: DefaultAccess;
  /** Left out = none. */
  readonly rateLimits?: RateLimits;
  /** For writes that meet others; the process's own clock, timer and random by default. */
  readonly retry?: WriteEffects;
  /** For requests that wait; the process's own clock and timer by default. */
  readonly wait?: WaitEffects;
  /** Aborted = the process ends: requests wait no longer. Left out = it is ended without a notice. */
  readonly ending?: AbortSignal;
}

/** The PKI library is two thirds as large as all that is left: loaded by the requests that need it. */
const makeSelfSigned: MakeSelfSigned = async (request, context) => {
  const { createSelfSigned } = await import("../../core/x509/self-signed.ts");
  return createSelfSigned(request, context);
};

const readPkcs12: ReadPkcs12 = async (upload, context) => {
  const library = await import("../../core/x509/pkcs12.ts");
  return library.parsePkcs12(upload, { ...context, pause: setImmediate });
};

const createCsr: CreateCsr = async (request) => {
  const library = await import("../../core/x509/certificate-request.ts");
  return library.createCsr(request);
};

const WAIT: WaitEffects = {
  now: () => performance.now(),
  // Rejects with the abort alone.
  sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
};

const NEVER = new AbortController().signal;

const RETRY: WriteEffects = {
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms) => sleep(ms),
};

/** Services that a request in need of one loads. */
const loadedServices = (
  services: ServiceDependencies,
  { chainVerifier, wait = WAIT, ending = NEVER }: Pick<ApiDependencies, "chainVerifier" | "wait" | "ending">,
) => {
  const waitingRoom = new WaitingRoom(wait, ending);
  return {
    domains: loadedOnce(async () => {
      const { DomainService } = await import("../../core/management/domain-service.ts");
      return new DomainService(services);
    }),
    batch: loadedOnce(async () => {
      const { applyBatch } = await import("../../core/management/domain-batch.ts");
      return (actor: Actor, items: readonly BatchItem[]) => applyBatch(services, actor, items);
    }),
    certificates: loadedOnce(async () => {
      const { CertificateService } = await import("../../core/management/certificate-service.ts");
      return new CertificateService(services);
    }),
    versions: loadedOnce(async () => {
      const { CertificateVersions } = await import("../../core/management/certificate-versions.ts");
      return new CertificateVersions(services);
    }),
    keys: loadedOnce(async () => {
      const { CertificateKeys } = await import("../../core/management/certificate-keys.ts");
      return new CertificateKeys(services);
    }),
    trustStores: loadedOnce(async () => {
      const { TrustStoreService } = await import("../../core/management/trust-store-service.ts");
      return new TrustStoreService(services);
    }),
    tokens: loadedOnce(async () => {
      const { TokenService } = await import("../../core/management/token-service.ts");
      const newSecret = () => randomBytes(SECRET_BYTES).toString("base64url");
      return new TokenService({ ...services, newSecret });
    }),
    accounts: loadedOnce(async () => {
      const { AccountService } = await import("../../core/management/account-service.ts");
      return new AccountService(services);
    }),
    principals: loadedOnce(async () => {
      const { PrincipalService } = await import("../../core/management/principal-service.ts");
      return new PrincipalService(services);
    }),
    changes: loadedOnce(async () => {
      const { ChangeService } = await import("../../core/management/change-service.ts");
      return new ChangeService({ ...services, waitingRoom });
    }),
    reverts: loadedOnce(async () => {
      const { ChangeReverts } = await import("../../core/management/change-revert.ts");
      return new ChangeReverts(services);
    }),
    status: loadedOnce(async () => {
      const { StatusService } = await import("../../core/management/status-service.ts");
      return new StatusService({ ...services, waitingRoom });
    }),
    evaluations: loadedOnce(async () => {
      const { rootCertificates } = await import("node:tls");
      const { EvaluationService } = await import("../../core/evaluation/evaluation-service.ts");
      return new EvaluationService({
        ...services,
        chainVerifier: chainVerifier ?? null,
        publicRoots: rootCertificates,
      });
    }),
  };
};

/** The API as a function from Request to Response. */
export function createApp(deps: ApiDependencies): OpenAPIHono<ApiEnv> {
  const app = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success)
        throw new InvalidInput(
          `The ${PART[result.target]} is not valid.`,
          issuesOf(result.error, PART[result.target]),
        );
    },
  });
  app.use(envelope(deps.log));
  app.use("/v1/*", async (c, next) => {
    const caller = await deps.authenticate(c.req.raw, c.env);
    c.set("actor", caller);
    c.set("homeAccount", caller.account);
    await next();
  });
  if (deps.rateLimits !== undefined) app.use("/v1/*", limitRate(deps.rateLimits, deps.clock));
  app.use("/v1/*", scopeOfRoute(app, deps));
  app.use(knownQueryOnly(app));
  app.use("/v1/*", conditionalRead);
  app.use("/v1/*", answersKept(app, { answers: deps.keptAnswers, clock: deps.clock, log: deps.log }));
  const services: ServiceDependencies = {
    ...deps,
    makeSelfSigned,
    createCsr,
    readPkcs12,
    issuer: deps.issuer ?? null,
    acmeDirectories: deps.acmeDirectories ?? [],
    defaultAccess: deps.defaultAccess ?? "none",
    issuanceRequested: deps.issuanceRequested ?? (() => undefined),
    retry: deps.retry ?? RETRY,
  };
  const loaded = loadedServices(services, deps);
  const domains = loadedMethods(DOMAIN_OPERATIONS, loaded.domains);
  routeDomains(app, domains, deps.store);
  routeTls(app, domains);
  routeOwnership(app, domains);
  routeDomainBatch(app, loaded.batch, deps.log);
  routeCertificates(app, loaded.certificates, deps.store);
  routeCertificateChanges(app, loaded.certificates);
  routeCertificateVersions(app, loaded.versions);
  routeCertificateKeys(app, loaded.keys);
  routeTrustStores(app, loaded.trustStores, deps.store);
  routeStatus(app, loaded.status);
  routeChanges(app, loaded.changes, loaded.reverts);
  routeEvaluate(app, loaded.evaluations);
  routeCaller(app);
  routeTokens(app, loaded.tokens, deps.log);
  routeAccounts(app, loaded.accounts, deps.log);
  routePrincipals(app, loaded.principals, deps.log);
  routeHealth(app, deps);
  routeAcmeChallenge(app, deps.issuanceState);
  routeOpenApi(app, { docs: deps.docs ?? {}, credentials: deps.credentials ?? "bearer" });

  requireDeclaredScopes(app);

  answerErrors(app, deps.log);
  return app;
}

/** The only places that answer an error, beside `defaultHook`; everything else throws. */
function answerErrors(app: OpenAPIHono<ApiEnv>, log: ApiLog): void {
  app.notFound((c) => {
    const allow = allowedMethods(app.routes, c.req.path);
    if (allow === null) return answerProblem(c, { code: "not-found", detail: "no resource at this path" });
    const detail = `this path takes ${allow}`;
    return answerProblem(c, { code: "method-not-allowed", detail, headers: { Allow: allow } });
  });
  app.onError((error, c) => {
    const problem = problemOf(error);
    if (statusOf(problem.code) >= 500)
      log({ event: "api-error", requestId: c.get("requestId"), errors: loggedErrors(error) });
    return answerProblem(c, problem);
  });
}

const PART = {
  json: "body",
  form: "body",
  query: "query",
  param: "path",
  header: "header",
  cookie: "header",
} as const;

/** If-Match and If-None-Match of GET and HEAD, wherever the answer has an ETag (RFC 9110 section 13.2.1). */
const conditionalRead: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if ((c.req.method !== "GET" && c.req.method !== "HEAD") || matchedRoute(c) === undefined) return next();
  const condition = readCondition(c.req);
  await next();
  const etag = c.res.headers.get("ETag");
  if (c.res.status !== 200 || etag === null) return;
  if (judgeRead(condition, etag) === "read") return;
  c.res = undefined;
  c.res = new Response(null, { status: 304, headers: { ETag: etag } });
};

/** What every answer has, and one log event for each. */
const envelope =
  (log: ApiLog): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const startedAt = performance.now();
    const requestId = randomUUID();
    c.set("requestId", requestId);
    await next();
    c.header("X-Request-Id", requestId);
    c.header("Cache-Control", "no-store");
    const actor = c.get("actor") as ApiEnv["Variables"]["actor"] | undefined;
    log({
      event: "api-request",
      requestId,
      clientRequestId: loggedClientRequestId(c.req.header("X-Request-Id")),
      method: c.req.method,
      path: loggedPath(c.req.path),
      status: c.res.status,
      durationMs: Math.round(performance.now() - startedAt),
      account: actor?.account ?? null,
      actor: actor?.name ?? null,
    });
  };
