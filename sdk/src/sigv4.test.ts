import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { sign } from "aws4";
import { describe, expect, it, onTestFinished } from "vitest";
import { createPostern } from "./index.ts";
import { type AwsCredentials, sigv4 } from "./sigv4.ts";

const REGION = "eu-central-1";
const credentialsNow = (): AwsCredentials => ({
  accessKeyId: `AKIA${randomBytes(8).toString("hex").toUpperCase()}`,
  secretAccessKey: randomBytes(30).toString("base64"),
  sessionToken: randomBytes(30).toString("base64"),
});

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=(?<id>\w+)\/\d{8}\/(?<scope>[\w/-]+), SignedHeaders=(?<names>[\w;-]+), /u;

/** A browser sets these itself, so they are not signed. Without a name in the types of aws4. */
const UNSIGNED: object = { extraHeadersToIgnore: { "content-type": true, "content-length": true } };

/** Judges a request as IAM does: signs what arrived by aws4, with the same headers, and compares. */
async function isSigned(request: IncomingMessage, credentials: AwsCredentials): Promise<boolean> {
  const body = await text(request);
  const { authorization = "", host = "" } = request.headers;
  const { names = "", scope } = AUTHORIZATION.exec(authorization)?.groups ?? {};
  const headers = Object.fromEntries(
    names.split(";").map((name) => [name, String(request.headers[name] ?? "")]),
  );
  const expected = sign(
    {
      service: "execute-api",
      region: REGION,
      host,
      method: request.method ?? "",
      path: request.url ?? "",
      headers,
      body,
      ...UNSIGNED,
    },
    { ...credentials, sessionToken: credentials.sessionToken ?? "" },
  );
  return (
    scope === `${REGION}/execute-api/aws4_request` && expected.headers?.["Authorization"] === authorization
  );
}

/** An API behind IAM on loopback: 200 for a signature by `credentials`, else 403. */
async function iamServer(credentials: () => AwsCredentials, statuses: number[]): Promise<string> {
  const server = createServer((request, response) => {
    void isSigned(request, credentials()).then((signed) =>
      response
        .writeHead(signed ? (statuses.shift() ?? 200) : 403, { "content-type": "application/json" })
        .end('{"items":[],"nextCursor":null}'),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/prod`;
}

describe("a request signed by sigv4()", () => {
  it.each([
    [
      "a read with a query",
      (p) => p.domains.list({ prefix: "a b", limit: 3 }).pages()[Symbol.asyncIterator]().next(),
    ],
    ["a write with a body", (p) => p.domains.put("example.org", { mxHosts: ["ü.example"] }, { ifMatch: 7 })],
    ["a write without a body", (p) => p.domains.delete("example.org", { ifMatch: 7 })],
    ["a name that the path escapes", (p) => p.principals.get("arn:aws:iam::123456789012:role/a b+c")],
  ] as const satisfies readonly (readonly [
    string,
    (p: ReturnType<typeof createPostern>) => Promise<unknown>,
  ])[])("is accepted by another implementation of Signature Version 4: %s", async (_title, call) => {
    const credentials = credentialsNow();
    const url = await iamServer(() => credentials, []);
    const postern = createPostern({ url, auth: sigv4({ region: REGION, credentials }) });
    await expect(call(postern)).resolves.not.toThrow();
  });

  it.each(["accessKeyId", "secretAccessKey", "sessionToken"])(
    "is not made of a %s that no header can have, and the error does not show it",
    async (name) => {
      const credentials = { ...credentialsNow(), [name]: "secret\nword" };
      const postern = createPostern({
        url: "http://127.0.0.1:9",
        auth: sigv4({ region: REGION, credentials }),
      });
      const message = `${name} must be one word of printable ASCII`;
      await expect(postern.whoami()).rejects.toThrow(new TypeError(message));
    },
  );

  it("is rejected by it with another secret", async () => {
    const credentials = credentialsNow();
    const url = await iamServer(() => ({ ...credentials, secretAccessKey: "another" }), []);
    const postern = createPostern({ url, auth: sigv4({ region: REGION, credentials }) });
    await expect(postern.domains.get("example.org")).rejects.toMatchObject({ status: 403 });
  });

  it("is signed anew for each attempt, with the credentials of that moment", async () => {
    const given: AwsCredentials[] = [];
    const provider = async (): Promise<AwsCredentials> => {
      const credentials = credentialsNow();
      given.push(credentials);
      return credentials;
    };
    const url = await iamServer(() => given.at(-1) ?? credentialsNow(), [503, 200]);
    const effects = {
      now: () => Date.now(),
      random: () => 0,
      sleep: (ms: number) => (ms === 0 ? Promise.resolve() : new Promise<void>(() => undefined)),
    };
    const postern = createPostern({ url, auth: sigv4({ region: REGION, credentials: provider }), effects });
    await postern.domains.put("example.org", { mxHosts: ["mx.example"] }, { ifMatch: 7 });
    expect(given).toHaveLength(2);
  });
});
