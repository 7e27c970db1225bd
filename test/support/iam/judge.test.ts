import { describe, expect, it } from "vitest";
import type { Context } from "./conditions.ts";
import { type Ask, judge, rightsOf, unneeded } from "./judge.ts";
import { parsePolicy } from "./policy.ts";

const TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/settings";

const rights = (statements: readonly object[], ofResources: readonly object[] = []) =>
  rightsOf(
    parsePolicy({ Version: "2012-10-17", Statement: statements }),
    parsePolicy({ Version: "2012-10-17", Statement: ofResources }),
  );
const allow = (Action: unknown, Resource: unknown, Condition?: object): object => ({
  Effect: "Allow",
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});
const ask = (action: string, resource: string, context: Context = {}): Ask => ({
  action,
  resource,
  context,
});
const kindOf = (asked: Ask, statements: readonly object[]): string => judge(asked, rights(statements)).kind;

describe("a request", () => {
  it.each([
    ["no statement", [], "denied"],
    ["its action on its resource", [allow("dynamodb:PutItem", TABLE)], "allowed"],
    ["another action", [allow("dynamodb:GetItem", TABLE)], "denied"],
    ["its action on the index alone", [allow("dynamodb:PutItem", `${TABLE}/index/by-name`)], "denied"],
    ["its action on a longer name", [allow("dynamodb:PutItem", `${TABLE}2`)], "denied"],
    ["a pattern of actions", [allow(["s3:*", "DynamoDB:Put*"], [TABLE])], "allowed"],
    ["a pattern of resources", [allow("dynamodb:PutItem", "arn:aws:dynamodb:*:*:table/sett?ngs")], "allowed"],
    [
      "a grant and a denial",
      [allow("dynamodb:*", "*"), { Effect: "Deny", Action: "dynamodb:PutItem", Resource: "*" }],
      "denied",
    ],
  ] as const)("with %s is judged %#", (_what, statements, kind) => {
    expect(kindOf(ask("dynamodb:PutItem", TABLE), statements)).toBe(kind);
  });

  it("is denied by the policy of a resource, and not allowed by it", () => {
    const asked = ask("s3:GetObject", "arn:aws:s3:::keys/a", { "aws:securetransport": "false" });
    const bucket = { Principal: "*", Action: "s3:*", Resource: "arn:aws:s3:::keys/*" };
    const overPlaintext = { Bool: { "aws:SecureTransport": "false" } };
    const own = [allow("s3:GetObject", "arn:aws:s3:::keys/*")];
    const denies = [{ ...bucket, Effect: "Deny", Condition: overPlaintext }];
    expect(judge(asked, rights(own, denies))).toMatchObject({ kind: "denied", reason: "explicit-deny" });
    expect(judge(asked, rights([], [{ ...bucket, Effect: "Allow" }]))).toMatchObject({
      kind: "denied",
      reason: "no-grant",
    });
  });

  it.each([
    [{ NotAction: "s3:*" }, "policies with NotAction"],
    [{ Action: "s3:GetObject", NotResource: "*" }, "policies with NotResource"],
    [{ Action: "s3:GetObject", Resource: "arn:aws:s3:::b/${aws:username}" }, "the policy variable"],
  ])("is not judged by %j", (members, reason) => {
    expect(() => rights([{ Effect: "Allow", ...members }])).toThrow(reason);
  });
});

describe("a condition", () => {
  const KEY = "dynamodb:LeadingKeys";
  it.each([
    [{ "ForAllValues:StringEquals": { [KEY]: ["EDGE"] } }, ["EDGE"], "allowed"],
    [{ "ForAllValues:StringEquals": { [KEY]: ["EDGE"] } }, ["EDGE", "HEAD"], "denied"],
    [{ "ForAnyValue:StringEquals": { [KEY]: ["EDGE"] } }, ["EDGE", "HEAD"], "allowed"],
    // What a policy without a Null beside it lets through.
    [{ "ForAllValues:StringEquals": { [KEY]: ["EDGE"] } }, [], "allowed"],
    [{ "ForAllValues:StringEquals": { [KEY]: ["EDGE"] }, Null: { [KEY]: "false" } }, [], "denied"],
    [{ "ForAnyValue:StringEquals": { [KEY]: ["EDGE"] } }, [], "denied"],
  ] as const)("%j of the keys %j is %s", (condition, keys, kind) => {
    const asked = ask("dynamodb:PutItem", TABLE, { "dynamodb:leadingkeys": keys });
    expect(kindOf(asked, [allow("dynamodb:PutItem", TABLE, condition)])).toBe(kind);
  });

  const VIA = "kms:ViaService";
  const S3 = "s3.eu-central-1.amazonaws.com";
  it.each([
    [{ StringEquals: { [VIA]: S3 } }, S3, "allowed"],
    [{ StringEquals: { [VIA]: "s3.*" } }, S3, "denied"],
    [{ StringLike: { [VIA]: "s3.*.amazonaws.com" } }, S3, "allowed"],
    [{ StringNotEquals: { [VIA]: S3 } }, S3, "denied"],
    [{ StringNotEquals: { [VIA]: S3 } }, null, "allowed"],
    [{ StringEquals: { [VIA]: S3 } }, null, "denied"],
    [{ StringEqualsIfExists: { [VIA]: S3 } }, null, "allowed"],
    [{ Null: { [VIA]: "true" } }, null, "allowed"],
    [{ Null: { [VIA]: "true" } }, S3, "denied"],
    [{ ArnLike: { [VIA]: "arn:aws:s3:*:*:b" } }, "arn:aws:s3:eu-central-1:123456789012:b", "allowed"],
    [{ ArnLike: { [VIA]: "arn:aws:*:b" } }, "arn:aws:s3:eu-central-1:123456789012:b", "denied"],
  ] as const)("%j of %j is %s", (condition, value, kind) => {
    const asked = ask("kms:Decrypt", "arn:key", { "kms:viaservice": value });
    expect(kindOf(asked, [allow("kms:Decrypt", "arn:key", condition)])).toBe(kind);
  });

  it("on a tag is judged by the tags that the context declares", () => {
    const tagged = { Null: { "aws:ResourceTag/postern:certificate": "false" } };
    const statements = [allow("acm:ExportCertificate", "*", tagged)];
    const asked = (context: Context): Ask => ask("acm:ExportCertificate", "arn:certificate", context);
    const family = { "aws:resourcetag/": null };
    expect(kindOf(asked({ ...family, "aws:resourcetag/postern:certificate": "x" }), statements)).toBe(
      "allowed",
    );
    expect(kindOf(asked(family), statements)).toBe("denied");
  });

  it.each([
    [{ StringEquals: { "aws:SourceVpc": "vpc-1" } }, "the condition key aws:SourceVpc"],
    [{ IpAddress: { [VIA]: "192.0.2.0/24" } }, "the operator IpAddress"],
  ])("that is not known here, %j, is an error", (condition, reason) => {
    const asked = ask("kms:Decrypt", "arn:key", { "kms:viaservice": S3 });
    expect(() => kindOf(asked, [allow("kms:Decrypt", "arn:key", condition)])).toThrow(reason);
  });
});

describe("a grant", () => {
  const reads = rights([
    allow(["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::b/keys/*", "arn:aws:s3:::b/trust/*"]),
  ]);
  const textOf = (grants: ReturnType<typeof unneeded>) =>
    grants.map(({ action, resource }) => `${action} ${resource}`);

  it("is not needed when no request is allowed by it alone", () => {
    const asks = [
      ask("s3:GetObject", "arn:aws:s3:::b/keys/1"),
      ask("s3:PutObject", "arn:aws:s3:::b/trust/1"),
    ];
    expect(textOf(unneeded(asks, reads))).toEqual([
      "s3:GetObject arn:aws:s3:::b/trust/*",
      "s3:PutObject arn:aws:s3:::b/keys/*",
    ]);
  });

  it("is needed when a request is denied without it", () => {
    const asks = [
      ask("s3:GetObject", "arn:aws:s3:::b/keys/1"),
      ask("s3:PutObject", "arn:aws:s3:::b/trust/1"),
    ];
    const superfluous = new Set(unneeded(asks, reads));
    for (const taken of reads.grants) {
      const rest = { ...reads, grants: reads.grants.filter((grant) => grant !== taken) };
      const denied = asks.filter((each) => judge(each, rest).kind === "denied");
      expect(denied.length === 0).toBe(superfluous.has(taken));
    }
  });

  it("is not needed beside another that allows the same", () => {
    const twice = rights([allow("s3:GetObject", "arn:aws:s3:::b/*"), allow("s3:*", "arn:aws:s3:::b/keys/*")]);
    expect(unneeded([ask("s3:GetObject", "arn:aws:s3:::b/keys/1")], twice)).toHaveLength(2);
  });
});
