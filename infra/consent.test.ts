import { describe, expect, it } from "vitest";
import { ChangeWithoutConsent, requireConsent, valuesOf } from "./consent.ts";
import {
  type ConsentVariable,
  DEPLOY_VARIABLES,
  isConsentVariable,
  WrongSetting,
} from "./deploy-variables.ts";
import { readSettings } from "./settings.ts";

const IN_FORCE = {
  POSTERN_SMTP_NAME: "mx.example.net",
  POSTERN_DELIVERY: "smtp://relay.example:587",
  POSTERN_DELIVERY_ALLOW: "10.0.0.0/8, relay.example",
  POSTERN_POSTMASTER: "admin@example.net",
  POSTERN_API_AUTH: "jwt",
  POSTERN_JWT_ISSUER: "https://id.example",
  POSTERN_JWT_AUDIENCE: "postern,console",
  // Without a meaning beside jwt.
  POSTERN_API_DEFAULT_ACCESS: "",
  POSTERN_JWT_SCOPES: "postern/manage",
  POSTERN_JWT_ACCOUNT_CLAIM: "team",
  POSTERN_JWT_SCOPE_CLAIM: "scp",
  POSTERN_API_DOMAIN: "api.example.net",
  POSTERN_TABLE: "restored",
  POSTERN_STANDBY_REGION: "eu-west-1",
  POSTERN_ROLE: "primary",
  POSTERN_ALARM_EMAIL: "ops@example.net",
  POSTERN_ZONES: "2",
  POSTERN_CLIENT_ADDRESS: "proxy-v2",
  POSTERN_ACME_DIRECTORIES: '{"le":{"url":"https://ca.example/directory"}}',
  POSTERN_ROUTE53_ZONES: "Z1:example.com",
} satisfies Record<ConsentVariable, string>;

type Variables = Readonly<Record<string, string | undefined>>;

/** A deployment by these variables after one by IN_FORCE. */
function deploy(variables: Variables, before = valuesOf(readSettings("production", IN_FORCE))): void {
  const settings = readSettings("production", variables);
  requireConsent({ before, after: valuesOf(settings), consent: settings.consent });
}

describe("a deployment", () => {
  it("goes on where nothing changes that others rely on", () => {
    expect(() =>
      deploy({ ...IN_FORCE, POSTERN_EDGES_MAX: "20", POSTERN_LINE_ENDS: "normalise" }),
    ).not.toThrow();
  });

  it("goes on where a value is spelled another way", () => {
    expect(() =>
      deploy({
        ...IN_FORCE,
        POSTERN_DELIVERY: "smtp://relay.example:587/?tls=require",
        POSTERN_DELIVERY_ALLOW: "relay.example,10.0.0.0/8,10.0.0.0/8",
        POSTERN_JWT_AUDIENCE: "console, postern",
      }),
    ).not.toThrow();
  });

  it("goes on where nothing was deployed before", () => {
    expect(() =>
      requireConsent({ before: {}, after: valuesOf(readSettings("pr-1", {})), consent: [] }),
    ).not.toThrow();
  });

  it("is compared with PROXY headers in a stage whose release had no other way", () => {
    const { POSTERN_CLIENT_ADDRESS: _, ...before } = valuesOf(readSettings("production", IN_FORCE));
    const upgrade = (environment: Variables) => (): void => {
      const settings = readSettings("production", { ...IN_FORCE, ...environment });
      requireConsent({ before, after: valuesOf(settings), consent: settings.consent });
    };
    expect(upgrade({ POSTERN_CLIENT_ADDRESS: "" })).toThrow(
      "POSTERN_CLIENT_ADDRESS: in force is proxy-v2; this deployment has preserve",
    );
    expect(upgrade({ POSTERN_CLIENT_ADDRESS: "", POSTERN_CONSENT: "POSTERN_CLIENT_ADDRESS" })).not.toThrow();
    expect(upgrade({})).not.toThrow();
  });

  it("is stopped where IAM callers without a record would be operators again", () => {
    const before = valuesOf(readSettings("pr-1", { POSTERN_API_DEFAULT_ACCESS: "none" }));
    const after = valuesOf(readSettings("pr-1", {}));
    expect(() => requireConsent({ before, after, consent: [] })).toThrow(
      "POSTERN_API_DEFAULT_ACCESS: in force is none; this deployment has operator",
    );
  });

  it("is not compared with what an older release did not write down", () => {
    const { POSTERN_TABLE: _, ...before } = valuesOf(readSettings("production", IN_FORCE));
    const after = valuesOf(readSettings("production", { ...IN_FORCE, POSTERN_TABLE: "other" }));
    expect(() => requireConsent({ before, after, consent: [] })).not.toThrow();
  });

  it.each(
    Object.keys(IN_FORCE).filter(
      (name) =>
        name !== "POSTERN_SMTP_NAME" &&
        name !== "POSTERN_ROLE" &&
        name !== "POSTERN_API_DEFAULT_ACCESS" &&
        !/^POSTERN_JWT_(?:ISSUER|AUDIENCE|SCOPES)$/.test(name),
    ),
  )("is stopped when %s was forgotten, with both values", (name) => {
    // A deployment without it is valid: its default would come into force.
    const isOfTokens = (each: string): boolean =>
      name === "POSTERN_API_AUTH" && each.startsWith("POSTERN_JWT_");
    const forgotten = Object.keys(IN_FORCE).filter((each) => each === name || isOfTokens(each));
    const rest = Object.fromEntries(forgotten.map((each) => [each, ""]));
    const before = valuesOf(readSettings("production", IN_FORCE))[name as ConsentVariable];
    const after = valuesOf(readSettings("production", { ...IN_FORCE, ...rest }))[name as ConsentVariable];
    expect(after).not.toBe(before);
    const stopped = (): void => deploy({ ...IN_FORCE, ...rest });
    expect(stopped).toThrow(ChangeWithoutConsent);
    expect(stopped).toThrow(`${name}: in force is ${before}; this deployment has ${after}`);
  });

  it("is stopped when the role of a standby was forgotten, which would make a second table", () => {
    const standby = { POSTERN_SMTP_NAME: "mx2.example.net", POSTERN_ROLE: "standby" };
    const before = valuesOf(readSettings("production", standby));
    const stopped = (): void => deploy({ ...standby, POSTERN_ROLE: "" }, before);
    expect(stopped).toThrow("POSTERN_ROLE: in force is standby; this deployment has primary");
  });

  it("goes on by consent to each change", () => {
    const changed = { ...IN_FORCE, POSTERN_TABLE: "", POSTERN_DELIVERY: "" };
    expect(() => deploy({ ...changed, POSTERN_CONSENT: "POSTERN_TABLE" })).toThrow(
      /^(?!.*POSTERN_TABLE: ).*POSTERN_DELIVERY: /su,
    );
    expect(() => deploy({ ...changed, POSTERN_CONSENT: "POSTERN_TABLE,POSTERN_DELIVERY" })).not.toThrow();
  });

  it("is stopped when the stage would lose a zone, consent or not, and goes on when it gains one", () => {
    const zones = (number: string) => ({
      ...IN_FORCE,
      POSTERN_ZONES: number,
      POSTERN_CONSENT: "POSTERN_ZONES",
    });
    const before = valuesOf(readSettings("production", { ...IN_FORCE, POSTERN_ZONES: "3" }));
    expect(() => deploy(zones("2"), before)).toThrow("POSTERN_ZONES: is 3, and cannot become less");
    expect(() => deploy(zones("4"), before)).not.toThrow();
  });

  it("is stopped by consent that was left over: it would let a later mistake pass", () => {
    const stopped = (): void => deploy({ ...IN_FORCE, POSTERN_CONSENT: "POSTERN_TABLE" });
    expect(stopped).toThrow(WrongSetting);
    expect(stopped).toThrow("POSTERN_CONSENT: POSTERN_TABLE does not change (restored): take it out");
  });
});

it("every variable that needs consent has a value that is never empty", () => {
  const variables = Object.keys(DEPLOY_VARIABLES).filter(isConsentVariable);
  const values = valuesOf(readSettings("pr-1", {}));
  expect(Object.keys(values).toSorted()).toEqual(variables.toSorted());
  expect(Object.values(values)).not.toContain("");
});
