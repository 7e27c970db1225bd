import { randomBytes } from "node:crypto";
import { createTxtLookup } from "../adapters/acme/txt-lookup.ts";
import type { AccessStore } from "../core/access/access-store.ts";
import type { Caller } from "../core/access/scope.ts";
import { OPERATOR_ACCOUNT } from "../core/actor.ts";
import type { KeyVault } from "../core/store/key-vault.ts";
import { createIdSource } from "../core/name/ids.ts";
import type { Clock } from "../core/clock.ts";
import type { EdgeReports } from "../core/edge-report/edge-reports.ts";
import type { ClientChainVerifier } from "../core/policy/chain-verifier.ts";
import type { IssuanceState } from "../core/store/issuance-state.ts";
import type { KeptAnswers } from "../core/store/kept-answers.ts";
import type { Store } from "../core/store/store.ts";
import { type ApiEvent, loggedErrors } from "../functions/api/api-log.ts";
import { storedTokens } from "../functions/api/stored-callers.ts";
import { createApp } from "../functions/api/app.ts";
import { bearerAuthentication } from "../functions/api/caller.ts";
import { loadAtEdgeWith } from "../worker/tls/tls-parameters.ts";
import type { Log } from "../core/log-event.ts";
import { bindFailure } from "../worker/process/start-failure.ts";
import type { Worker } from "../worker/worker.ts";
import { DOCS_PAGE } from "./docs-page.ts";
import type { DefaultCertificate } from "./default-certificate.ts";
import type { LocalConfig } from "./local-config.ts";
import { type HttpServer, startHttpServer } from "./http-server.ts";

export interface LocalApiOptions {
  readonly config: LocalConfig;
  readonly log: Log;
  readonly token: string;
  readonly certificate: DefaultCertificate;
  readonly clock: Clock;
  readonly store: Store;
  readonly vault: KeyVault;
  readonly access: AccessStore;
  readonly edgeReports: EdgeReports;
  readonly issuanceState: IssuanceState;
  readonly keptAnswers: KeptAnswers;
  readonly worker: Pick<Worker, "readiness">;
  readonly issuanceRequested: () => void;
  /** Of evaluations alone. */
  readonly chainVerifier: ClientChainVerifier;
}

/** The bootstrap: API_TOKEN has every scope. */
const OPERATOR: Caller = {
  account: OPERATOR_ACCOUNT,
  name: "api-token",
  scopes: new Set(["operator"]),
  kind: "api-token",
  id: null,
  expiresAt: null,
};

/**
 * Serves the API on API_HOST and API_PORT.
 *
 * @throws StartFailure naming the variable when the address cannot be bound.
 */
export async function startLocalApi(options: LocalApiOptions): Promise<HttpServer> {
  const { config, log, clock } = options;
  const ending = new AbortController();
  const app = createApp({
    store: options.store,
    vault: options.vault,
    access: options.access,
    edgeReports: options.edgeReports,
    issuanceState: options.issuanceState,
    keptAnswers: options.keptAnswers,
    readTxt: createTxtLookup({ servers: config.dnsResolvers }),
    acmeDirectories: config.acmeDirectories.map(({ name }) => name),
    clock,
    ids: createIdSource(() => clock.now(), randomBytes),
    operatorHosts: new Set(options.certificate.names),
    loadAtEdge: loadAtEdgeWith(config.tlsCiphers),
    authenticate: bearerAuthentication([{ token: options.token, actor: OPERATOR }], () => performance.now(), [
      storedTokens(options.access, {
        clock,
        onUnmarked: (error) => log("token-use-failed", { errors: loggedErrors(error) }),
      }),
    ]),
    rateLimits: config.rateLimits,
    readiness: () => {
      const { ready, problems } = options.worker.readiness();
      return ready ? null : `the worker is not ready: ${problems.join(", ")}`;
    },
    issuanceRequested: options.issuanceRequested,
    chainVerifier: options.chainVerifier,
    docs: DOCS_PAGE,
    ending: ending.signal,
    log: ({ event, ...fields }: ApiEvent) => log(event, fields),
  });
  try {
    const server = await startHttpServer({
      host: config.apiHost,
      port: config.apiPort,
      fetch: (request, env) => app.fetch(request, env),
      onRefused: (refused) => log("api-request", { ...refused }),
      onError: (error, requestId) => log("internal-error", { where: "api", requestId, error }),
    });
    return {
      port: server.port,
      close: () => {
        ending.abort();
        return server.close();
      },
    };
  } catch (error) {
    const place = { host: config.apiHost, port: config.apiPort };
    throw bindFailure({ ...place, hostVariable: "API_HOST", portVariable: "API_PORT" }, error);
  }
}
