import { randomBytes } from "node:crypto";
import { awsConfigSchema } from "../../adapters/aws/aws-config.ts";
import { openAwsStores, openCertificateIssuer } from "../../adapters/aws/aws-stores.ts";
import { createTxtLookup } from "../../adapters/acme/txt-lookup.ts";
import { createIdSource } from "../../core/name/ids.ts";
import type { Clock } from "../../core/clock.ts";
import { readEnvironment } from "../../core/environment.ts";
import { lostSettingsProblem } from "../../core/store/lost-settings.ts";
import { loadAtEdgeWith } from "../../worker/tls/tls-parameters.ts";
import { createLambdaLog } from "../lambda-log.ts";
import { configOrExit } from "../lambda-start.ts";
import { type ApiAuth, apiConfigSchema } from "./api-config.ts";
import { createApp } from "./app.ts";
import { type ApiLog, loggedErrors } from "./api-log.ts";
import { type Authenticate, bearerAuthentication, gatewayAuthentication } from "./caller.ts";
import { storedTokens } from "./stored-callers.ts";
import { createLambdaHandler } from "./lambda-handler.ts";

/** The API as a Lambda function behind an HTTP API: where its adapters are chosen. */

const schema = awsConfigSchema.omit({ STORE: true }).extend(apiConfigSchema.shape);
const config = configOrExit(() => readEnvironment(schema, process.env));

const now = (): number => Date.now();
const clock: Clock = { now };
const writeLog = createLambdaLog({
  level: config.LOG_LEVEL,
  now,
  write: (line) => void process.stdout.write(line),
});
const log: ApiLog = ({ event, ...fields }) => writeLog(event, fields);

const { store, access, edgeReports, issuanceState, keptAnswers, keyVault, backups } = openAwsStores(
  config,
  now,
  {
    firstWriteAsksBackup: true,
  },
);
function authenticationOf(auth: ApiAuth): Authenticate {
  if (auth === "token")
    return bearerAuthentication([], now, [
      storedTokens(access, {
        clock,
        onUnmarked: (error) => log({ event: "token-use-failed", errors: loggedErrors(error) }),
      }),
    ]);
  return gatewayAuthentication(auth, {
    store: access,
    defaultAccess: config.API_DEFAULT_ACCESS,
    accountClaim: config.API_JWT_ACCOUNT_CLAIM ?? null,
    scopeClaim: config.API_JWT_SCOPE_CLAIM,
  });
}

const app = createApp({
  store,
  access,
  defaultAccess: config.API_DEFAULT_ACCESS,
  edgeReports,
  issuanceState,
  keptAnswers,
  readTxt: createTxtLookup({ servers: config.DNS_RESOLVERS ?? null }),
  vault: keyVault,
  issuer: openCertificateIssuer(),
  acmeDirectories: (config.ACME_DIRECTORIES ?? []).map(({ name }) => name),
  clock,
  ids: createIdSource(now, randomBytes),
  operatorHosts: new Set([config.SMTP_NAME]),
  loadAtEdge: loadAtEdgeWith(config.TLS_CIPHERS ?? null),
  authenticate: authenticationOf(config.API_AUTH),
  rateLimits: config.API_RATE_LIMITS,
  credentials: config.API_AUTH === "iam" ? "sigv4" : "bearer",
  log,
  readiness: () => lostSettingsProblem(store, backups),
});

export const handler = createLambdaHandler(app, log);
