import { describe, expect, it } from "vitest";
import { DEPLOY_VARIABLES, readSettings, WrongSetting } from "./settings.ts";

const PRODUCTION = { POSTERN_SMTP_NAME: "mx.example.net" };
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
      authorizer: { kind: "iam" },
      apiDomain: null,
      table: null,
      alarmEmail: null,
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
    ["smtp://relay.example:587", { kind: "next-hop", url: "smtp://relay.example:587" }],
    ["smtps://relay.example/", { kind: "next-hop", url: "smtps://relay.example/" }],
    ["lmtp://[2001:db8::1]:24?tls=require", { kind: "next-hop", url: "lmtp://[2001:db8::1]:24?tls=require" }],
    ["ssm:/postern/delivery", { kind: "parameter", name: "/postern/delivery" }],
    ["s3://mail.example/in/box", { kind: "bucket", bucket: "mail.example", prefix: "in/box" }],
  ])("deliver to %s", (POSTERN_DELIVERY, delivery) => {
    expect(readSettings("pr-1", { POSTERN_DELIVERY }).delivery).toEqual(delivery);
  });

  it("hand the edges' own variables on", () => {
    const { edge } = readSettings("pr-1", {
      POSTERN_LINE_ENDS: "normalise",
      POSTERN_POSTMASTER: "admin@example.com",
    });
    expect(edge).toEqual({ LINE_ENDS: "normalise", POSTMASTER: "admin@example.com" });
  });

  it("let tokens in where jwt is chosen, by issuer, audience and scope", () => {
    expect(
      readSettings("pr-1", { ...JWT, POSTERN_JWT_SCOPES: "postern/write, postern/read" }).authorizer,
    ).toEqual({
      kind: "jwt",
      issuer: "https://id.example",
      audiences: ["postern"],
      scopes: ["postern/write", "postern/read"],
    });
  });

  it("let at most as many edges run as at least", () => {
    expect(readSettings("pr-1", { POSTERN_EDGES_MIN: "3" }).edges).toEqual({ min: 3, max: 3 });
  });

  it.each([
    ["production", {}, "POSTERN_SMTP_NAME: is needed in production"],
    ["pr-1", { POSTERN_SMTP_NAME: "MX" }, "POSTERN_SMTP_NAME: must be a host name in lower case"],
    ["pr-1", { POSTERN_API_DOMAIN: "192.0.2.1" }, "POSTERN_API_DOMAIN: must be a host name in lower case"],
    ["pr-1", { POSTERN_TABLE: "a/b" }, "POSTERN_TABLE: must be the name of a table"],
    ["pr-1", { POSTERN_ALARM_EMAIL: "ops" }, "POSTERN_ALARM_EMAIL: must be a mailbox"],
    ["pr-1", { POSTERN_API_AUTH: "none" }, "POSTERN_API_AUTH: must be iam or jwt"],
    [
      "pr-1",
      { ...JWT, POSTERN_JWT_ISSUER: "http://id.example" },
      "POSTERN_JWT_ISSUER: must be the https URL of an issuer",
    ],
    ["pr-1", { ...JWT, POSTERN_JWT_AUDIENCE: " ," }, "POSTERN_JWT_AUDIENCE: must name an audience"],
    [
      "pr-1",
      { POSTERN_JWT_ISSUER: "https://id.example" },
      "POSTERN_JWT_ISSUER: means nothing without POSTERN_API_AUTH=jwt",
    ],
    ["pr-1", { POSTERN_EDGES_MIN: "0" }, "POSTERN_EDGES_MIN: must be a number from 1 to 100"],
    [
      "pr-1",
      { POSTERN_EDGES_MIN: "3", POSTERN_EDGES_MAX: "2" },
      "POSTERN_EDGES_MAX: must not be less than POSTERN_EDGES_MIN",
    ],
    ["pr-1", { POSTERN_DELIVERY: "maildir:/mail" }, /^POSTERN_DELIVERY: must be smtp:/u],
    ["pr-1", { POSTERN_DELIVERY: "s3://bucket" }, /^POSTERN_DELIVERY: must be smtp:/u],
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
