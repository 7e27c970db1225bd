import { describe, expect, it } from "vitest";
import { readSettings } from "./settings.ts";

const DIRECTORIES = JSON.stringify({
  letsencrypt: { url: "https://acme-v02.example/directory" },
  bound: { url: "https://ca.example/directory", eabKeyId: "kid-1" },
});
const KEY = "arn:aws:kms:eu-central-1:210987654321:key/01234567-89ab-cdef-0123-456789abcdef";
const ALL = {
  POSTERN_ACME_DIRECTORIES: DIRECTORIES,
  POSTERN_ACME_EAB_PARAMETERS: "bound=/postern/eab",
  POSTERN_ROUTE53_ZONES: "Z1:example.com",
  POSTERN_DNS_WEBHOOK_URL: "https://dns.example/set",
  POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: "/postern/webhook",
  POSTERN_DNS_RESOLVERS: "192.0.2.53",
  POSTERN_ISSUANCE_KMS_KEY: KEY,
};

describe("the settings of issuance", () => {
  it("are handed on to the schedule as they were given, with what its role needs", () => {
    expect(readSettings("pr-1", ALL).issuance).toEqual({
      environment: {
        ACME_DIRECTORIES: DIRECTORIES,
        ACME_EAB_PARAMETERS: "bound=/postern/eab",
        ROUTE53_ZONES: "Z1:example.com",
        DNS_WEBHOOK_URL: "https://dns.example/set",
        DNS_WEBHOOK_SECRET_PARAMETER: "/postern/webhook",
        DNS_RESOLVERS: "192.0.2.53",
      },
      directories: {
        letsencrypt: "https://acme-v02.example/directory",
        bound: "https://ca.example/directory",
      },
      zones: [{ id: "Z1", domain: "example.com" }],
      parameters: ["/postern/eab", "/postern/webhook"],
      key: KEY,
    });
  });

  it("name a parameter that holds several secrets once", () => {
    const same = { ...ALL, POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: "/postern/eab" };
    expect(readSettings("pr-1", same).issuance.parameters).toEqual(["/postern/eab"]);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ["JSON that is none", { POSTERN_ACME_DIRECTORIES: "{" }, "POSTERN_ACME_DIRECTORIES: "],
    [
      "a CA over plain HTTP",
      { POSTERN_ACME_DIRECTORIES: '{"le":{"url":"http://ca.example/"}}' },
      "POSTERN_ACME_DIRECTORIES: ",
    ],
    [
      "a file that no function has",
      { POSTERN_ACME_DIRECTORIES: '{"own":{"url":"https://ca.example/","caFile":"/etc/ca.pem"}}' },
      "POSTERN_ACME_DIRECTORIES: own.caFile",
    ],
    [
      "an EAB key without its parameter",
      { POSTERN_ACME_DIRECTORIES: DIRECTORIES },
      "POSTERN_ACME_EAB_PARAMETERS: has no parameter for bound",
    ],
    [
      "a parameter of a CA without EAB",
      { ...ALL, POSTERN_ACME_EAB_PARAMETERS: "bound=/a,letsencrypt=/b" },
      "POSTERN_ACME_EAB_PARAMETERS: letsencrypt is no directory with eabKeyId",
    ],
    [
      "a CA with two parameters",
      { ...ALL, POSTERN_ACME_EAB_PARAMETERS: "bound=/a,bound=/b" },
      "POSTERN_ACME_EAB_PARAMETERS: must be",
    ],
    [
      "a secret in place of its parameter",
      { ...ALL, POSTERN_ACME_EAB_PARAMETERS: "bound=c2VjcmV0LXNlY3JldA" },
      "POSTERN_ACME_EAB_PARAMETERS: must be",
    ],
    ["a zone without its domain", { POSTERN_ROUTE53_ZONES: "Z1" }, "POSTERN_ROUTE53_ZONES: must be"],
    [
      "a webhook over plain HTTP",
      { ...ALL, POSTERN_DNS_WEBHOOK_URL: "http://dns.example/" },
      "POSTERN_DNS_WEBHOOK_URL: must be an https URL",
    ],
    [
      "a webhook without its secret",
      { POSTERN_DNS_WEBHOOK_URL: "https://dns.example/" },
      "POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: and POSTERN_DNS_WEBHOOK_URL",
    ],
    [
      "a secret without its webhook",
      { POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: "/postern/webhook" },
      "POSTERN_DNS_WEBHOOK_SECRET_PARAMETER: and POSTERN_DNS_WEBHOOK_URL",
    ],
    ["a name as a resolver", { POSTERN_DNS_RESOLVERS: "dns.example" }, "POSTERN_DNS_RESOLVERS: must be"],
    [
      "a key that opens nothing",
      { POSTERN_ISSUANCE_KMS_KEY: KEY },
      "POSTERN_ISSUANCE_KMS_KEY: means nothing",
    ],
    [
      "a key by its alias",
      { ...ALL, POSTERN_ISSUANCE_KMS_KEY: "alias/postern" },
      "POSTERN_ISSUANCE_KMS_KEY: must be the ARN",
    ],
  ])("cannot have %s", (_, environment, problem) => {
    expect(() => readSettings("pr-1", environment)).toThrow(problem);
  });
});
