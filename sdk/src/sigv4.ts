import { AwsV4Signer } from "aws4fetch";
import type { Signer } from "./call.ts";
import { headerWord } from "./header-value.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that expire. */
  readonly sessionToken?: string | undefined;
}

export interface SigV4Options {
  /** Of the API, such as `eu-central-1`. */
  readonly region: string;
  /** Credentials, or what gives those that are valid now: a provider of AWS's SDK fits. */
  readonly credentials: AwsCredentials | (() => AwsCredentials | Promise<AwsCredentials>);
}

/** Signs requests for an API behind API Gateway with IAM authorization (Signature Version 4). */
export function sigv4({ region, credentials }: SigV4Options): Signer {
  return {
    async sign(request) {
      const { accessKeyId, secretAccessKey, sessionToken } =
        typeof credentials === "function" ? await credentials() : credentials;
      const { method, url, headers } = request;
      const signer = new AwsV4Signer({
        method,
        url,
        headers,
        body: await request.clone().arrayBuffer(),
        accessKeyId: headerWord("accessKeyId", accessKeyId),
        secretAccessKey: headerWord("secretAccessKey", secretAccessKey),
        ...(sessionToken === undefined ? {} : { sessionToken: headerWord("sessionToken", sessionToken) }),
        region,
        service: "execute-api",
      });
      return new Request(request, { headers: (await signer.sign()).headers });
    },
  };
}
