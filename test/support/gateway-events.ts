import type { GatewayEvent } from "../../functions/api/lambda-handler.ts";

export interface GatewayRequest {
  readonly method: string;
  /** As the client sends it: path, and query where there is one. */
  readonly path: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the stage's authorizer found; undefined = the route has none. */
  readonly authorizer?: object;
}

/** What a function is set up with by default, but for its store. */
export const GATEWAY_ACCESS = {
  defaultAccess: "operator",
  accountClaim: null,
  scopeClaim: "scope",
} as const;

const DOMAIN = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";
const STAGE = "$default";

/** `requestContext.authorizer` behind an IAM authorizer, for an assumed role. */
export const iamAuthorizer = (userArn = "arn:aws:sts::123456789012:assumed-role/operator/alice"): object => ({
  iam: {
    accessKey: "ASIAEXAMPLEEXAMPLE12",
    accountId: "123456789012",
    callerId: "AROAEXAMPLEEXAMPLE123:alice",
    cognitoIdentity: null,
    principalOrgId: "aws:PrincipalOrgID",
    userArn,
    userId: "AROAEXAMPLEEXAMPLE123:alice",
  },
});

/** Behind a JWT authorizer: every claim is a text there. */
export const jwtAuthorizer = (claims: Readonly<Record<string, string>> = {}): object => ({
  jwt: {
    claims: { iss: "https://issuer.example/", aud: "postern", exp: "1800000000", sub: "user-1", ...claims },
    scopes: null,
  },
});

/**
 * An event as an HTTP API sends it to a Lambda integration of payload format 2.0
 * (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html):
 * header names in lower case, several values joined by commas, cookies apart, the path decoded, the query
 * not.
 */
export function gatewayEvent({ method, path, body, headers = {}, authorizer }: GatewayRequest): GatewayEvent {
  const [rawPath = "", ...query] = path.split("?");
  const decoded = decodeURIComponent(rawPath);
  const parameters = [...new URLSearchParams(query.join("?"))];
  const isBinary = body instanceof Uint8Array;
  const event = {
    version: "2.0",
    routeKey: "$default",
    rawPath: decoded,
    rawQueryString: query.join("?"),
    ...(parameters.length === 0 ? {} : { queryStringParameters: Object.fromEntries(parameters) }),
    headers: {
      accept: "*/*",
      "content-length": String(body === undefined ? 0 : Buffer.byteLength(body)),
      host: DOMAIN,
      "user-agent": "test",
      "x-amzn-trace-id": "Root=1-65000000-000000000000000000000000",
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-port": "443",
      "x-forwarded-proto": "https",
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    },
    requestContext: {
      accountId: "123456789012",
      apiId: "a1b2c3d4e5",
      ...(authorizer === undefined ? {} : { authorizer }),
      domainName: DOMAIN,
      domainPrefix: "a1b2c3d4e5",
      http: { method, path: decoded, protocol: "HTTP/1.1", sourceIp: "192.0.2.7", userAgent: "test" },
      requestId: "JKJaXmPLvHcESHA=",
      routeKey: "$default",
      stage: STAGE,
      time: "24/Nov/2026:12:00:00 +0000",
      timeEpoch: 1_795_521_600_000,
    },
    ...(body === undefined ? {} : { body: isBinary ? Buffer.from(body).toString("base64") : body }),
    isBase64Encoded: isBinary,
  };
  return event;
}
