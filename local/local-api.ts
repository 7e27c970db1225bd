import type { Clock } from "../core/clock.ts";
import type { EdgeReports } from "../core/edge-report/edge-reports.ts";
import type { KeyVault } from "../core/certificate/key-vault.ts";
import type { Store } from "../core/settings/store.ts";
import type { Config } from "../worker/config.ts";
import type { Log } from "../worker/log.ts";
import { bindFailure } from "../worker/start-failure.ts";
import type { Worker } from "../worker/worker.ts";
import type { DefaultCertificate } from "./default-certificate.ts";
import { type HttpServer, startHttpServer } from "./http-server.ts";

export interface LocalApiOptions {
  readonly config: Config;
  readonly release: string;
  readonly log: Log;
  readonly token: string;
  readonly certificate: DefaultCertificate;
  readonly clock: Clock;
  readonly worker: Worker;
  readonly store: Store;
  readonly vault: KeyVault;
  readonly edgeReports: EdgeReports;
}

/**
 * Serves the API on API_HOST and API_PORT.
 *
 * @throws StartFailure naming the variable when the address cannot be bound.
 */
export async function startLocalApi(options: LocalApiOptions): Promise<HttpServer> {
  const { config, log } = options;
  const place = {
    host: config.apiHost,
    port: config.apiPort,
    hostVariable: "API_HOST",
    portVariable: "API_PORT",
  } as const;
  try {
    return await startHttpServer({
      host: place.host,
      port: place.port,
      fetch: () => new Response("not there yet", { status: 503 }),
      onError: (error) => log("api-error", { error }),
    });
  } catch (error) {
    throw bindFailure(place, error);
  }
}
