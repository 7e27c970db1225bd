import { type ApiEnvironment, ciphersOf, environmentForSst, writerEnvironment } from "./environment.ts";
import {
  acmCertificates,
  forSst,
  keyObjects,
  listKeyObjects,
  orderAcmCertificates,
  readIndex,
  trustLambdaAlone,
  useKey,
  useTable,
} from "./permissions.ts";
import { type GateSettings, inCheckout } from "./gate-settings.ts";
import type { ApiAuthorizer } from "./settings.ts";
import type { Storage } from "./storage.ts";
import type { Table } from "./table.ts";

/** Routes without credentials: health, the OpenAPI document, and what CAs ask for (http-01). */
const OPEN_ROUTES = [
  "GET /health/live",
  "GET /health/ready",
  "GET /openapi.json",
  "GET /.well-known/acme-challenge/{token}",
  "HEAD /.well-known/acme-challenge/{token}",
] as const;

/** Requests a second, and the burst. The store accepts some tens of writes a second (docs/deploy.md). */
const RATE = { rateLimit: 100, burstLimit: 200 } as const;
/** Limits of the public routes: each request reads the store. */
const OPEN_RATE = { rateLimit: 10, burstLimit: 20 } as const;

export interface ApiParts {
  readonly table: Table;
  readonly storage: Storage;
}

/** The HTTP API: one function behind every route, one authorizer for the whole stage. */
export function createApi(settings: GateSettings, { table, storage }: ApiParts) {
  const openSettings = Promise.withResolvers<RouteSetting[]>();
  const api = new sst.aws.ApiGatewayV2(settings.names.of("Api"), {
    // SST's default allows CORS from every origin.
    cors: false,
    accessLog: { retention: "1 year" },
    ...(settings.apiDomain === null ? {} : { domain: settings.apiDomain }),
    transform: {
      stage: (args) => {
        args.defaultRouteSettings = {
          throttlingRateLimit: RATE.rateLimit,
          throttlingBurstLimit: RATE.burstLimit,
        };
        args.routeSettings = openSettings.promise;
      },
    },
  });
  const handler = createHandler(settings, { table, storage });
  const openRoutes = OPEN_ROUTES.map((route) => api.route(route, handler.arn));
  // The keys come from the routes, so that the stage waits for them: SST creates it first, and API Gateway
  // rejects settings of a route that does not exist ("Unable to find Route by key").
  openSettings.resolve(
    openRoutes.map(({ nodes }) => ({
      routeKey: nodes.route.routeKey,
      throttlingRateLimit: OPEN_RATE.rateLimit,
      throttlingBurstLimit: OPEN_RATE.burstLimit,
    })),
  );
  // The default route, so that a path that is added later is closed until it has an authorizer.
  api.route("$default", handler.arn, authorizationOf(api, settings.authorizer));
  return { api, handler };
}

type RouteSetting = $util.Input<aws.types.input.apigatewayv2.StageRouteSetting>;

export type Api = ReturnType<typeof createApi>;

function createHandler(settings: GateSettings, { table, storage }: ApiParts) {
  const { authorizer, rateLimits, smtpName, edge, sizes, issuance } = settings;
  const environment: ApiEnvironment = {
    ...writerEnvironment(table, storage),
    API_AUTH: authorizer.kind,
    ...accessOf(authorizer),
    ...(rateLimits === null ? {} : { API_RATE_LIMITS: rateLimits }),
    SMTP_NAME: smtpName,
    ...ciphersOf(edge),
    ...(issuance.environment.ACME_DIRECTORIES === undefined
      ? {}
      : { ACME_DIRECTORIES: issuance.environment.ACME_DIRECTORIES }),
    ...(issuance.environment.DNS_RESOLVERS === undefined
      ? {}
      : { DNS_RESOLVERS: issuance.environment.DNS_RESOLVERS }),
  };
  return new sst.aws.Function(settings.names.of("ApiHandler"), {
    // The tested bundle of scripts/bundles.ts: SST's bundling would change the names of classes.
    bundle: inCheckout(settings, "dist/api"),
    handler: "lambda.handler",
    runtime: "nodejs24.x",
    architecture: "arm64",
    memory: `${sizes.apiMemory} MB`,
    // API Gateway's time-out is 30 s.
    timeout: "29 seconds",
    environment: environmentForSst(environment),
    logging: { format: "text", retention: "1 year" },
    permissions: forSst([
      ...useTable(table, [
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:BatchWriteItem",
      ]),
      ...readIndex(table),
      ...keyObjects(storage, ["s3:GetObject", "s3:PutObject"], ["keys", "trust", "private"]),
      // Needed before the first write: whether an empty table is new or has lost its settings.
      ...keyObjects(storage, ["s3:GetObject"], ["backup"]),
      ...listKeyObjects(storage),
      ...useKey(storage, storage.keys.arn, ["kms:Decrypt", "kms:GenerateDataKey"]),
      ...orderAcmCertificates(),
      ...acmCertificates(["acm:DescribeCertificate", "acm:DeleteCertificate"]),
    ]),
    transform: { role: trustLambdaAlone },
  });
}

/** What a caller may do, as far as its credentials say. */
function accessOf(authorizer: ApiAuthorizer): Partial<ApiEnvironment> {
  if (authorizer.kind === "iam") return { API_DEFAULT_ACCESS: authorizer.defaultAccess };
  if (authorizer.kind === "token") return {};
  const { accountClaim, scopeClaim } = authorizer;
  return {
    ...(accountClaim === null ? {} : { API_JWT_ACCOUNT_CLAIM: accountClaim }),
    ...(scopeClaim === null ? {} : { API_JWT_SCOPE_CLAIM: scopeClaim }),
  };
}

function authorizationOf(
  api: sst.aws.ApiGatewayV2,
  authorizer: ApiAuthorizer,
): sst.aws.ApiGatewayV2RouteArgs {
  if (authorizer.kind === "token") return {};
  if (authorizer.kind === "iam") return { auth: { iam: true } };
  const { issuer, audiences, scopes } = authorizer;
  const { id } = api.addAuthorizer({ name: "Jwt", jwt: { issuer, audiences: [...audiences] } });
  return { auth: { jwt: { authorizer: id, scopes: [...scopes] } } };
}
