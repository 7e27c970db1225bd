import { type Output, runtime } from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { Certificate, Domain, TrustStore } from "./index.ts";

/** How Pulumi's protocol marks a secret. */
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

const registered = new Map<string, Readonly<Record<string, unknown>>>();

const idOf = (resource: { readonly id: Output<string> }): Promise<unknown> =>
  new Promise((resolve) => resource.id.apply(resolve));

beforeAll(async () => {
  await runtime.setMocks({
    call: () => ({}),
    newResource: ({ name, inputs, type }) => {
      registered.set(name, { ...(inputs as object), type });
      return { id: `${name}-id`, state: inputs as object };
    },
  });
  const connection = { url: "https://gate.example", token: "a token" };
  const made = [
    new Domain("domain", { name: "example.org", tls: { server: { level: "require" } }, connection }),
    new Certificate("pem", {
      source: "pem",
      certificatePem: "chain",
      privateKeyPem: "a key",
      privateKeyPassphrase: "words",
    }),
    new Certificate("pkcs12", { source: "pkcs12", pkcs12: "a file", passphrase: "words" }),
    new TrustStore("partners", { certificatesPem: "anchors" }),
  ];
  await Promise.all(made.map(idOf));
});

describe("a resource as Pulumi's engine receives it", () => {
  it.each([
    ["domain", "connection", { url: "https://gate.example", token: "a token" }],
    ["pem", "privateKeyPem", "a key"],
    ["pem", "privateKeyPassphrase", "words"],
    ["pkcs12", "pkcs12", "a file"],
    ["pkcs12", "passphrase", "words"],
  ])("%s: %s is a secret, although the program did not mark it", (name, member, value) => {
    expect(registered.get(name)?.[member]).toEqual({ ...SECRET, value });
  });

  it("shows its other members, so that a preview can", () => {
    expect(registered.get("domain")).toMatchObject({
      name: "example.org",
      tls: { server: { level: "require" } },
    });
    expect(registered.get("pem")).toMatchObject({ certificatePem: "chain" });
    expect(registered.get("partners")).toMatchObject({ certificatesPem: "anchors" });
  });

  it.each([
    ["domain", "Domain", "domain"],
    ["pem", "Certificate", "certificate"],
    ["partners", "TrustStore", "trustStore"],
  ])("%s: has a type of Pulumi's dynamic providers, and names its own provider", (name, type, provider) => {
    expect(registered.get(name)).toMatchObject({
      type: `pulumi-nodejs:dynamic/postern:${type}`,
      __provider: `exports.handler = () => require("@postern/pulumi/provider").${provider}();`,
    });
  });
});
