import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Context } from "./conditions.ts";
import { Unmapped } from "./policy.ts";

/** A signed request, by what its signature says of it. */
export interface AwsRequest {
  /** The access key: what stands for the role here. */
  readonly principal: string;
  readonly service: string;
  readonly region: string;
  readonly method: string;
  /** JSON protocols: the action, `GetItem`. S3: the method. */
  readonly operation: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Condition keys of every request. */
  readonly common: Context;
  /** ARN in the request's region and the account. */
  readonly arn: (service: string, path: string) => string;
}

export interface AwsAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const SCOPE =
  /^AWS4-HMAC-SHA256 Credential=(?<principal>[^/,]+)\/\d{8}\/(?<region>[^/]+)\/(?<service>[^/]+)\/aws4_request,/u;

/** @throws Unmapped when it is not signed. */
export function readAwsRequest(incoming: IncomingMessage, body: Buffer, account: string): AwsRequest {
  const { headers, method = "" } = incoming;
  const scope = SCOPE.exec(headers.authorization ?? "")?.groups;
  if (scope === undefined) throw new Unmapped("a request without a signature");
  const { principal = "", region = "", service = "" } = scope;
  const target = headers["x-amz-target"];
  return {
    principal,
    service,
    region,
    method,
    operation: typeof target === "string" ? (target.split(".")[1] ?? target) : method,
    url: new URL(incoming.url ?? "/", "http://service"),
    headers,
    body,
    // Endpoints of AWS are reached over TLS alone: the product has no variable that would change it.
    common: { "aws:securetransport": "true", "aws:requestedregion": region, "aws:principalaccount": account },
    arn: (name, path) => `arn:aws:${name}:${region}:${account}:${path}`,
  };
}
