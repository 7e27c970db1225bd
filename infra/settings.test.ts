import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseOperatorDelivery } from "../core/delivery/route.ts";
import { DEPLOY_VARIABLES, WrongSetting } from "./deploy-variables.ts";
import { readSettings } from "./settings.ts";

const PRODUCTION = { POSTERN_SMTP_NAME: "mx.example.net" };
const KEY = "arn:aws:kms:eu-central-1:210987654321:key/01234567-89ab-cdef-0123-456789abcdef";

/** null = it was refused. */
function outcomeOf<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

const JWT = {
  POSTERN_API_AUTH: "jwt",
  POSTERN_JWT_ISSUER: "https://id.example",
  POSTERN_JWT_AUDIENCE: "postern",
};

describe("the settings of a deployment", () => {
  it("need a name for the edges in production, and nothing else", () => {
    expect(readSettings("production", PRODUCTION)).toEqual({
      isProduction: true,
      zones: 3,
      smtpName: "mx.example.net",
      delivery: { kind: "own-bucket" },
      edge: {},
      edges: { min: 2, max: 8 },
      connections: 2_000,
      sizes: { edgeCpu: 1, edgeMemory: 2, apiMemory: 1024, scheduleMemory: 1024 },
      clientAddress: "preserve",
      authorizer: { kind: "iam", defaultAccess: "operator" },
      rateLimits: null,
      apiDomain: null,
      table: null,
      role: "primary",
      standbyRegion: null,
      issuance: { environment: {}, directories: {}, zones: [], parameters: [], key: null },
      alarmEmail: null,
      consent: [],
    });
  });

  it("need nothing on another stage", () => {
    expect(readSettings("pr-1", {})).toMatchObject({
      isProduction: false,
      zones: 2,
      smtpName: "mx.pr-1.postern.test",
      edges: { min: 1, max: 1 },
    });
  });

  it("take an empty variable for one that is not set", () => {
    const empty = Object.fromEntries(Object.keys(DEPLOY_VARIABLES).map((name) => [name, ""]));
    expect(readSettings("pr-1", empty)).toEqual(readSettings("pr-1", {}));
  });

  it.each([
    ["smtp://relay.example:587", { kind: "next-hop", url: "smtp://relay.example:587?tls=require" }],
    ["smtps://relay.example/", { kind: "next-hop", url: "smtps://relay.example:465?tls=require" }],
    ["lmtp://[2001:db8::1]:24?tls=require", { kind: "next-hop", url: "lmtp://[2001:db8::1]:24?tls=require" }],
    ["ssm:/postern/delivery", { kind: "parameter", name: "/postern/delivery", key: null }],
    ["s3://mail.example/in/box", { kind: "bucket", bucket: "mail.example", prefix: "in/box", key: null }],
    ["s3://mail.example/inbox/", { kind: "bucket", bucket: "mail.example", prefix: "inbox", key: null }],
    ["s3://mail.example", { kind: "bucket", bucket: "mail.example", prefix: "", key: null }],
    ["s3://mail.example/in@box", { kind: "bucket", bucket: "mail.example", prefix: "in@box", key: null }],
  ])("deliver to %s", (POSTERN_DELIVERY, delivery) => {
    expect(readSettings("pr-1", { POSTERN_DELIVERY }).delivery).toEqual(delivery);
  });

  it("write where the edges write, whatever was typed: their parser reads both", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("s3://mail.example", "s3://mail.example/", "s3:/mail.example/"),
        fc.string({ unit: fc.constantFrom(...Array.from("ab/*?$.{}:@ é")), maxLength: 12 }),
        (start, rest) => {
          const POSTERN_DELIVERY = `${start}${rest}`;
          const edge = outcomeOf(() => parseOperatorDelivery(POSTERN_DELIVERY));
          const deployment = outcomeOf(() => readSettings("pr-1", { POSTERN_DELIVERY }).delivery);
          expect(deployment).toEqual(
            edge === null || edge.kind !== "s3"
              ? null
              : { kind: "bucket", bucket: edge.bucket, prefix: edge.prefix, key: null },
          );
        },
      ),
    );
  });

  it.each(["s3://mail.example/in", "ssm:/postern/delivery"])("use the key of %s", (POSTERN_DELIVERY) => {
    const { delivery } = readSettings("pr-1", { POSTERN_DELIVERY, POSTERN_DELIVERY_KMS_KEY: KEY });
    expect(delivery).toMatchObject({ key: KEY });
  });

  it("hand the edges' own variables on", () => {
    const { edge } = readSettings("pr-1", {
      POSTERN_LINE_ENDS: "normalise",
      POSTERN_LONG_LINES: "refuse",
      POSTERN_POSTMASTER: "admin@example.com",
    });
    expect(edge).toEqual({ LINE_ENDS: "normalise", LONG_LINES: "refuse", POSTMASTER: "admin@example.com" });
  });

  it("let tokens in where jwt is chosen, by issuer, audience and scope", () => {
    expect(
      readSettings("pr-1", { ...JWT, POSTERN_JWT_SCOPES: "postern/write, postern/read" }).authorizer,
    ).toEqual({
      kind: "jwt",
      issuer: "https://id.example",
      audiences: ["postern"],
      scopes: ["postern/write", "postern/read"],
      accountClaim: null,
      scopeClaim: null,
    });
  });

  it("name the claims of tokens, and what IAM callers without a record may do", () => {
    const claims = { POSTERN_JWT_ACCOUNT_CLAIM: "https://id.example/team", POSTERN_JWT_SCOPE_CLAIM: "scp" };
    expect(readSettings("pr-1", { ...JWT, ...claims }).authorizer).toMatchObject({
      accountClaim: "https://id.example/team",
      scopeClaim: "scp",
    });
    expect(readSettings("pr-1", { POSTERN_API_DEFAULT_ACCESS: "none" }).authorizer).toEqual({
      kind: "iam",
      defaultAccess: "none",
    });
    expect(readSettings("pr-1", { POSTERN_API_AUTH: "token" }).authorizer).toEqual({ kind: "token" });
  });

  it("hand the rate limits of the API on", () => {
    const text = '{"writesPerSecond":100}';
    expect(readSettings("pr-1", { POSTERN_API_RATE_LIMITS: text }).rateLimits).toBe(text);
  });

  it("let at most as many edges run as at least", () => {
    expect(readSettings("pr-1", { POSTERN_EDGES_MIN: "3" }).edges).toEqual({ min: 3, max: 3 });
  });

  it("take as many zones as the region has", () => {
    expect(readSettings("production", { ...PRODUCTION, POSTERN_ZONES: "2" }).zones).toBe(2);
  });

  it.each([
    ["production", {}, "POSTERN_SMTP_NAME: is needed in production"],
    [
      "pr-1",
      { POSTERN_SMTP_NAME: "MX" },
      'POSTERN_SMTP_NAME: "MX" must be written as a lower-case A-label name without a trailing dot: "mx"',
    ],
    ["pr-1", { POSTERN_SMTP_NAME: "localhost" }, "POSTERN_SMTP_NAME: must be a name with its domain"],
    ["pr-1", { POSTERN_API_DOMAIN: "192.0.2.1" }, 'POSTERN_API_DOMAIN: "192.0.2.1" is not a domain name'],
    ["pr-1", { POSTERN_TABLE: "a/b" }, "POSTERN_TABLE: must be the name of a DynamoDB table"],
    ["pr-1", { POSTERN_STANDBY_REGION: "ireland" }, "POSTERN_STANDBY_REGION: must be the name of a region"],
    ["pr-1", { POSTERN_ROLE: "second" }, "POSTERN_ROLE: must be one of primary, standby, takeover"],
    [
      "pr-1",
      { POSTERN_ROLE: "takeover", POSTERN_STANDBY_REGION: "eu-west-1" },
      "POSTERN_STANDBY_REGION: means nothing with POSTERN_ROLE=takeover",
    ],
    [
      "pr-1",
      { POSTERN_CLIENT_ADDRESS: "proxy" },
      "POSTERN_CLIENT_ADDRESS: must be one of preserve, proxy-v2",
    ],
    ["pr-1", { POSTERN_ALARM_EMAIL: "ops" }, "POSTERN_ALARM_EMAIL: must be a mailbox"],
    ["pr-1", { POSTERN_API_RATE_LIMITS: '{"writes":10}' }, "POSTERN_API_RATE_LIMITS: must be JSON such as"],
    ["pr-1", { POSTERN_API_AUTH: "none" }, "POSTERN_API_AUTH: must be one of iam, jwt, token"],
    [
      "pr-1",
      { POSTERN_API_DEFAULT_ACCESS: "all" },
      "POSTERN_API_DEFAULT_ACCESS: must be one of operator, none",
    ],
    [
      "pr-1",
      { ...JWT, POSTERN_API_DEFAULT_ACCESS: "none" },
      "POSTERN_API_DEFAULT_ACCESS: means nothing without POSTERN_API_AUTH=iam",
    ],
    [
      "pr-1",
      { POSTERN_API_AUTH: "token", POSTERN_API_DEFAULT_ACCESS: "none" },
      "POSTERN_API_DEFAULT_ACCESS: means nothing without POSTERN_API_AUTH=iam",
    ],
    [
      "pr-1",
      { POSTERN_API_AUTH: "token", POSTERN_JWT_ACCOUNT_CLAIM: "team" },
      "POSTERN_JWT_ACCOUNT_CLAIM: means nothing without POSTERN_API_AUTH=jwt",
    ],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_ACCOUNT_CLAIM: "a b" },
      "POSTERN_JWT_ACCOUNT_CLAIM: must be the name of a claim",
    ],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_SCOPE_CLAIM: "ä" },
      "POSTERN_JWT_SCOPE_CLAIM: must be the name of a claim",
    ],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_ISSUER: "http://id.example" },
      "POSTERN_JWT_ISSUER: must be the https URL of an issuer",
    ],
    ["pr-1", { ...JWT, POSTERN_JWT_AUDIENCE: " ," }, "POSTERN_JWT_AUDIENCE: must name an audience"],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_AUDIENCE: Array.from({ length: 51 }, (_, index) => `a${index}`).join(",") },
      "POSTERN_JWT_AUDIENCE: must have at most 50 entries",
    ],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_SCOPES: Array.from({ length: 11 }, (_, index) => `s${index}`).join(",") },
      "POSTERN_JWT_SCOPES: must have at most 10 entries",
    ],
    [
      "pr-1",
      { POSTERN_JWT_ISSUER: "https://id.example" },
      "POSTERN_JWT_ISSUER: means nothing without POSTERN_API_AUTH=jwt",
    ],
    [
      "pr-1",
      { POSTERN_JWT_AUDIENCE: "postern" },
      "POSTERN_JWT_AUDIENCE: means nothing without POSTERN_API_AUTH=jwt",
    ],
    [
      "pr-1",
      { POSTERN_JWT_SCOPES: "postern/write" },
      "POSTERN_JWT_SCOPES: means nothing without POSTERN_API_AUTH=jwt",
    ],
    [
      "pr-1",
      { POSTERN_CONSENT: "POSTERN_TABLE, POSTERN_EDGES_MIN" },
      "POSTERN_CONSENT: POSTERN_EDGES_MIN is no variable that needs consent",
    ],
    ["pr-1", { POSTERN_CONSENT: "yes" }, "POSTERN_CONSENT: yes is no variable that needs consent"],
    [
      "pr-1",
      { POSTERN_DELIVERY_ALLOW: "a.example,".repeat(300) },
      "POSTERN_DELIVERY_ALLOW: must have at most 2048 characters",
    ],
    ["pr-1", { POSTERN_ZONES: "1" }, "POSTERN_ZONES: must be a number from 2 to 6"],
    ["pr-1", { POSTERN_ZONES: "two" }, "POSTERN_ZONES: must be a number from 2 to 6"],
    [
      "pr-1",
      { POSTERN_EDGE_CONNECTIONS: "30001" },
      "POSTERN_EDGE_CONNECTIONS: must be a number from 1 to 30000",
    ],
    ["pr-1", { POSTERN_EDGES_MIN: "0" }, "POSTERN_EDGES_MIN: must be a number from 1 to 100"],
    [
      "pr-1",
      { POSTERN_EDGES_MIN: "3", POSTERN_EDGES_MAX: "2" },
      "POSTERN_EDGES_MAX: must not be less than POSTERN_EDGES_MIN",
    ],
    [
      "pr-1",
      { POSTERN_DELIVERY: "maildir:/mail" },
      /^POSTERN_DELIVERY: must be smtp:.* the disk of an edge/u,
    ],
    ["pr-1", { POSTERN_DELIVERY: "s3://b/x" }, "POSTERN_DELIVERY: s3:// needs a bucket name"],
    [
      "pr-1",
      { POSTERN_DELIVERY: "s3://mail/a*" },
      "POSTERN_DELIVERY: the prefix of s3:// must not contain *",
    ],
    ["pr-1", { POSTERN_DELIVERY: "relay" }, "POSTERN_DELIVERY: expected maildir:path, smtp://"],
    ["pr-1", { POSTERN_DELIVERY: "ssm:delivery" }, "POSTERN_DELIVERY: must be ssm:/name"],
    [
      "pr-1",
      { POSTERN_DELIVERY: "smtp://relay.example?tls=maybe" },
      "POSTERN_DELIVERY: the only parameter is tls",
    ],
    [
      "pr-1",
      { POSTERN_DELIVERY: "s3://mail/in", POSTERN_DELIVERY_KMS_KEY: "alias/mail" },
      "POSTERN_DELIVERY_KMS_KEY: must be the ARN of a KMS key",
    ],
    [
      "pr-1",
      { POSTERN_DELIVERY_KMS_KEY: KEY },
      "POSTERN_DELIVERY_KMS_KEY: means nothing unless POSTERN_DELIVERY is s3: or ssm:",
    ],
    ["pr-1", { POSTERN_POSTMASTER: "admin" }, "POSTERN_POSTMASTER: must be a mailbox"],
    ["pr-1", { POSTERN_DELIVERY_ALLOW: "10.0.0.1/8" }, 'POSTERN_DELIVERY_ALLOW: "10.0.0.1/8" has host bits'],
    ["pr-1", { POSTERN_LINE_ENDS: "fix" }, "POSTERN_LINE_ENDS: must be one of refuse, normalise"],
    ["pr-1", { POSTERN_LONG_LINES: "fold" }, "POSTERN_LONG_LINES: must be one of pass, refuse"],
    [
      "pr-1",
      { POSTERN_TLS_CIPHERS: "NONE-SUCH" },
      "POSTERN_TLS_CIPHERS: OpenSSL knows no cipher suite in it",
    ],
    ["pr-1", { POSTERN_DELIVERYS: "smtp://a.example" }, "POSTERN_DELIVERYS: is no variable of a deployment"],
  ])("on stage %s refuse %j", (stage, environment, reason) => {
    expect(() => readSettings(stage, environment)).toThrow(WrongSetting);
    expect(() => readSettings(stage, environment)).toThrow(reason);
  });

  it("refuse a password, which many could read in the task definition, and do not repeat it", () => {
    const wrong = (): unknown =>
      readSettings("pr-1", { POSTERN_DELIVERY: "smtp://user:hunter2@relay.example" });
    expect(wrong).toThrow(/^POSTERN_DELIVERY: must hold no password; .* ssm:/u);
    expect(wrong).not.toThrow(/hunter2/u);
  });
});
