import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { AskedOfAcm } from "./asked-of-acm.ts";
import { askedOfDynamoDb } from "./asked-of-dynamodb.ts";
import { AskedOfS3 } from "./asked-of-s3.ts";
import { type AwsRequest, readAwsRequest } from "./aws-request.ts";
import type { Ask } from "./judge.ts";

const ACCOUNT = "123456789012";
const TABLE = `arn:aws:dynamodb:eu-central-1:${ACCOUNT}:table/settings`;
const KEY = `arn:aws:kms:eu-central-1:${ACCOUNT}:key/1`;

interface Sent {
  readonly service: string;
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

function requestOf({ service, method = "POST", url = "/", headers = {}, body = {} }: Sent): AwsRequest {
  const authorization = `AWS4-HMAC-SHA256 Credential=Role/20261124/eu-central-1/${service}/aws4_request, Signature=0`;
  const incoming = { method, url, headers: { authorization, ...headers } };
  return readAwsRequest(incoming as unknown as IncomingMessage, Buffer.from(JSON.stringify(body)), ACCOUNT);
}

const dynamoDb = (operation: string, body: object): readonly Ask[] =>
  askedOfDynamoDb(
    requestOf({ service: "dynamodb", headers: { "x-amz-target": `DynamoDB_20120810.${operation}` }, body }),
  );
const s3Request = (methodAndUrl: string, headers: Readonly<Record<string, string>> = {}): AwsRequest => {
  const [method = "", url = ""] = methodAndUrl.split(" ");
  return requestOf({ service: "s3", method, url, headers });
};
const textOf = (asks: readonly Ask[]): readonly string[] =>
  asks.map(({ action, resource }) => `${action} ${resource.replace(TABLE, "table")}`);
const keysOf = (asks: readonly Ask[]): readonly unknown[] =>
  asks.map(({ context }) => context["dynamodb:leadingkeys"]);

const item = (pk: string) => ({ pk: { S: pk }, sk: { S: "x" } });
const on = { TableName: "settings" };
const query = {
  ...on,
  KeyConditionExpression: "#pk = :pk AND #sk BETWEEN :a AND :b",
  ExpressionAttributeValues: { ":pk": { S: "LOG" }, ":a": { S: "0" }, ":b": { S: "9" } },
};

describe("of DynamoDB is asked", () => {
  it.each([
    ["GetItem", { ...on, Key: item("HEAD") }, ["dynamodb:GetItem table"], [["HEAD"]]],
    ["PutItem", { ...on, Item: item("EDGE") }, ["dynamodb:PutItem table"], [["EDGE"]]],
    [
      "Query",
      { ...query, ExpressionAttributeNames: { "#pk": "pk", "#sk": "sk" } },
      ["dynamodb:Query table"],
      [["LOG"]],
    ],
    [
      "Query",
      { ...query, IndexName: "by-name", ExpressionAttributeNames: { "#pk": "list", "#sk": "listKey" } },
      ["dynamodb:Query table/index/by-name"],
      [["LOG"]],
    ],
    [
      "BatchGetItem",
      { RequestItems: { settings: { Keys: [item("a"), item("b"), item("a")] } } },
      ["dynamodb:BatchGetItem table"],
      [["a", "b"]],
    ],
    [
      "BatchWriteItem",
      {
        RequestItems: {
          settings: [{ PutRequest: { Item: item("a") } }, { DeleteRequest: { Key: item("b") } }],
        },
      },
      ["dynamodb:BatchWriteItem table"],
      [["a", "b"]],
    ],
    [
      "TransactGetItems",
      { TransactItems: [{ Get: { ...on, Key: item("HEAD") } }] },
      ["dynamodb:GetItem table"],
      [["HEAD"]],
    ],
    [
      "TransactWriteItems",
      {
        TransactItems: [
          { Put: { ...on, Item: item("a") } },
          { Update: { ...on, Key: item("b") } },
          { Delete: { ...on, Key: item("c") } },
          { ConditionCheck: { ...on, Key: item("d") } },
        ],
      },
      [
        "dynamodb:PutItem table",
        "dynamodb:UpdateItem table",
        "dynamodb:DeleteItem table",
        "dynamodb:ConditionCheckItem table",
      ],
      [["a"], ["b"], ["c"], ["d"]],
    ],
  ])("for %s with %j: %j", (operation, body, asked, keys) => {
    const asks = dynamoDb(operation, body);
    expect(textOf(asks)).toEqual(asked);
    expect(keysOf(asks)).toEqual(keys);
  });

  it.each(["Scan", "DescribeTable", "ExecuteStatement"])("nothing known for %s: an error", (operation) => {
    expect(() => dynamoDb(operation, on)).toThrow(`dynamodb ${operation}`);
  });
});

describe("of S3 is asked", () => {
  const open = () => new AskedOfS3({ defaults: new Map([["b", { keyArn: KEY, hasBucketKey: true }]]) });
  const sse = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": KEY,
  };
  const object = "arn:aws:s3:::b/keys/a b";

  it.each([
    ["GET /b/keys/a%20b?x-id=GetObject", [`s3:GetObject ${object}`]],
    ["GET /b/?list-type=2&prefix=keys%2F", ["s3:ListBucket arn:aws:s3:::b"]],
    ["DELETE /b/keys/a%20b", [`s3:DeleteObject ${object}`]],
    ["DELETE /b/keys/a%20b?uploadId=1", [`s3:AbortMultipartUpload ${object}`]],
    ["PUT /b/keys/a%20b", [`s3:PutObject ${object}`, `kms:GenerateDataKey ${KEY}`, `kms:Decrypt ${KEY}`]],
    [
      "POST /b/keys/a%20b?uploads=",
      [`s3:PutObject ${object}`, `kms:GenerateDataKey ${KEY}`, `kms:Decrypt ${KEY}`],
    ],
    ["PUT /b/keys/a%20b?partNumber=1&uploadId=1", [`s3:PutObject ${object}`, `kms:Decrypt ${KEY}`]],
    ["POST /b/keys/a%20b?uploadId=1", [`s3:PutObject ${object}`, `kms:Decrypt ${KEY}`]],
    ["PUT /other/x", ["s3:PutObject arn:aws:s3:::other/x"]],
  ])("for %s: %j", (request, asked) => {
    expect(textOf(open().before(s3Request(request)))).toEqual(asked);
  });

  it.each([
    ["true", "arn:aws:s3:::b"],
    ["false", object],
  ])("KMS through S3, with a Bucket Key (%s) in the context of %s", (bucketKey, context) => {
    const headers = { ...sse, "x-amz-server-side-encryption-bucket-key-enabled": bucketKey };
    const [, generate] = open().before(s3Request("PUT /b/keys/a%20b", headers));
    expect(generate?.context).toMatchObject({
      "kms:viaservice": "s3.eu-central-1.amazonaws.com",
      "kms:encryptioncontext:aws:s3:arn": context,
    });
  });

  it("KMS for reading an object as it was written, and ListBucket for hearing that there is none", () => {
    const s3 = open();
    const put = s3Request("PUT /b/k", { ...sse, "x-amz-server-side-encryption-bucket-key-enabled": "false" });
    const get = s3Request("GET /b/k");
    const answer = (status: number) => ({ status, headers: {}, body: Buffer.alloc(0) });
    s3.after(put, answer(200));
    const [decrypt] = s3.after(get, answer(200));
    expect(decrypt).toMatchObject({
      action: "kms:Decrypt",
      context: { "kms:encryptioncontext:aws:s3:arn": "arn:aws:s3:::b/k" },
    });
    expect(textOf(s3.after(get, answer(404)))).toEqual(["s3:ListBucket arn:aws:s3:::b"]);
  });

  it.each([
    ["GET /b/?versions=", {}, "s3 GET bucket versions"],
    ["PUT /b/k?acl=", {}, "s3 PUT object acl"],
    ["PUT /b/k", { "x-amz-copy-source": "/b/other" }, "x-amz-copy-source"],
    ["PUT /b/k", { "x-amz-server-side-encryption": "aws:kms" }, "the key of KMS"],
  ])("nothing known for %s with %j: an error", (request, headers, reason) => {
    expect(() => open().before(s3Request(request, headers))).toThrow(reason);
  });
});

describe("of ACM is asked", () => {
  const request = (operation: string, body: object): AwsRequest =>
    requestOf({ service: "acm", headers: { "x-amz-target": `CertificateManager.${operation}` }, body });
  const arn = `arn:aws:acm:eu-central-1:${ACCOUNT}:certificate/1`;

  it("for an order the order and its tags, and for what is ordered its own tags", () => {
    const acm = new AskedOfAcm();
    const order = request("RequestCertificate", { Tags: [{ Key: "postern:certificate", Value: "c" }] });
    const asks = acm.before(order);
    expect(textOf(asks).map((text) => text.split(" ")[0])).toEqual([
      "acm:RequestCertificate",
      "acm:AddTagsToCertificate",
    ]);
    for (const { context } of asks) expect(context["aws:requesttag/postern:certificate"]).toBe("c");
    acm.after(order, {
      status: 200,
      headers: {},
      body: Buffer.from(JSON.stringify({ CertificateArn: arn })),
    });
    const [ordered] = acm.before(request("ExportCertificate", { CertificateArn: arn }));
    expect(ordered).toMatchObject({ resource: arn, context: { "aws:resourcetag/postern:certificate": "c" } });
    const [foreign] = acm.before(request("ExportCertificate", { CertificateArn: `${arn}2` }));
    expect(foreign?.context).not.toHaveProperty("aws:resourcetag/postern:certificate");
  });

  it("nothing known for ListCertificates: an error", () => {
    expect(() => new AskedOfAcm().before(request("ListCertificates", {}))).toThrow("acm ListCertificates");
  });
});
