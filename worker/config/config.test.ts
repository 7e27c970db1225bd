import { describe, expect, it } from "vitest";
import { type VariableProblem, WrongEnvironment } from "../../core/environment.ts";
import { describeConfig, parseConfig } from "./config.ts";
import { WORKER_VARIABLES } from "./config-variables.ts";

const CONTEXT = { cwd: "/srv/postern", hostName: "mx.example.org" };
const parse = (env: Record<string, string>) => parseConfig(env, CONTEXT);

function problemsOf(env: Record<string, string>): readonly VariableProblem[] {
  try {
    parse(env);
  } catch (error) {
    if (error instanceof WrongEnvironment) return error.problems;
    throw error;
  }
  return [];
}

describe("the configuration", () => {
  it("has these defaults when nothing is set", () => {
    expect(parse({})).toMatchObject({
      listeners: [{ name: "smtp", host: "127.0.0.1", port: 2525, dedicatedTo: null, proxyFrom: null }],
      smtpName: "mx.example.org",
      postmaster: null,
      healthHost: "127.0.0.1",
      healthPort: 8081,
      dataDir: "/srv/postern/.data",
      delivery: { kind: "maildir", directory: "/srv/postern/.data/mail" },
      deliveryAllow: { networks: [], names: [] },
      pollIntervalMs: 1000,
      tlsCiphers: null,
      sessionLog: "all",
      metricsNamespace: null,
      logLevel: "info",
    });
  });

  it("takes an empty variable as not set", () => {
    const empty = Object.fromEntries(Object.keys(WORKER_VARIABLES).map((name) => [name, ""]));
    expect(parse(empty)).toEqual(parse({}));
  });

  it("calls itself localhost where the machine has no name", () => {
    expect(parseConfig({}, { ...CONTEXT, hostName: null }).smtpName).toBe("localhost");
    expect(parseConfig({}, { ...CONTEXT, hostName: "not a name" }).smtpName).toBe("localhost");
  });

  it("reads every variable", () => {
    const config = parse({
      SMTP_HOST: "0.0.0.0",
      SMTP_PORT: "25",
      SMTP_LISTENERS: JSON.stringify([
        { port: 2526, domain: "example.com" },
        { name: "lb", host: "::", port: 0, proxyProtocol: true, proxyFrom: ["10.0.0.0/8", "::1"] },
      ]),
      SMTP_NAME: "MX.Example.net.",
      POSTMASTER: "Admin+x@Example.com",
      HEALTH_HOST: "::1",
      HEALTH_PORT: "9000",
      DATA_DIR: "data",
      DELIVERY: "smtp://user:secret@next.example:2500",
      DELIVERY_ALLOW: "10.0.0.0/8, next.example",
      SETTINGS_POLL_INTERVAL_MS: "50",
      LIMITS: '{"maxErrors": 3}',
      TLS_CIPHERS: "ECDHE-RSA-AES128-SHA",
      LINE_ENDS: "normalise",
      LONG_LINES: "refuse",
      SESSION_LOG: "1/100",
      METRICS_EMF: "Postern/production",
      LOG_LEVEL: "debug",
    });
    expect(config).toMatchObject({
      listeners: [
        { name: "smtp", host: "0.0.0.0", port: 25 },
        { name: "smtp-2", host: "0.0.0.0", port: 2526, dedicatedTo: "example.com", proxyFrom: null },
        { name: "lb", host: "::", port: 0, dedicatedTo: null, proxyFrom: ["10.0.0.0/8", "::1/128"] },
      ],
      smtpName: "mx.example.net",
      postmaster: { localPart: "Admin+x", domain: "example.com" },
      healthHost: "::1",
      healthPort: 9000,
      dataDir: "/srv/postern/data",
      delivery: { kind: "smtp", host: "next.example", port: 2500, tls: "require" },
      deliveryAllow: { networks: ["10.0.0.0/8"], names: ["next.example"] },
      pollIntervalMs: 50,
      limits: { maxErrors: 3, maxCommands: 1000 },
      tlsCiphers: "ECDHE-RSA-AES128-SHA",
      lineEnds: "normalise",
      longLines: "refuse",
      sessionLog: { oneIn: 100 },
      metricsNamespace: "Postern/production",
      logLevel: "debug",
    });
  });

  it.each([
    ["SMTP_HOST", "[::1]"],
    ["SMTP_PORT", "65536"],
    ["SMTP_PORT", "-1"],
    ["SMTP_PORT", "80a"],
    ["SMTP_PORT", "1e3"],
    ["SMTP_PORT", "smtp"],
    ["SMTP_LISTENERS", "{"],
    ["SMTP_LISTENERS", "{}"],
    ["SMTP_LISTENERS", '[{"port":2525}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"name":"smtp"}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"unknown":1}]'],
    ["SMTP_LISTENERS", '[{"port":"2526"}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"domain":"Example.com"}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"proxyProtocol":true}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"proxyFrom":["10.0.0.0/8"]}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"proxyProtocol":true,"proxyFrom":["10.0.0.0/33"]}]'],
    ["SMTP_LISTENERS", '[{"port":2526,"proxyProtocol":true,"proxyFrom":["010.0.0.0/8"]}]'],
    ["SMTP_NAME", "not a name"],
    ["SMTP_NAME", "127.0.0.1"],
    ["POSTMASTER", "postmaster"],
    ["POSTMASTER", "a b@example.com"],
    ["HEALTH_HOST", "no host"],
    ["HEALTH_PORT", "x"],
    ["DATA_DIR", "a\0b"],
    ["DELIVERY", "http://next.example"],
    ["DELIVERY_ALLOW", "10.0.0.0/99"],
    ["DELIVERY_ALLOW", "not_a_name"],
    ["SETTINGS_POLL_INTERVAL_MS", "49"],
    ["SETTINGS_POLL_INTERVAL_MS", "60001"],
    ["SETTINGS_POLL_INTERVAL_MS", "1.5"],
    ["LIMITS", "[]"],
    ["LIMITS", '{"nothing":1}'],
    ["TLS_CIPHERS", "no-such-suite"],
    ["LINE_ENDS", "crlf"],
    ["LONG_LINES", "fold"],
    ["SESSION_LOG", "some"],
    ["SESSION_LOG", "1/0"],
    ["METRICS_EMF", "AWS/Postern"],
    ["METRICS_EMF", "two words"],
    ["LOG_LEVEL", "loud"],
  ])("refuses %s=%j by its name, with a reason", (variable, value) => {
    const problems = problemsOf({ [variable]: value });
    expect(problems.map((problem) => problem.variable)).toEqual([variable]);
    expect(problems[0]?.reason).toMatch(/[a-z]{3}/);
    expect(problems[0]?.reason).not.toContain(`${variable}:`);
  });

  it("names every wrong variable at once, one a line", () => {
    const error = new WrongEnvironment(problemsOf({ SMTP_PORT: "x", LOG_LEVEL: "loud" }));
    expect(error.message.split("\n").map((line) => line.split(":")[0])).toEqual(["SMTP_PORT", "LOG_LEVEL"]);
  });

  it("has no variable of the API: it neither takes nor shows one", () => {
    const api = { API_HOST: "192.0.2.1", API_PORT: "1", API_TOKEN: "s3cret" };
    expect(parse(api)).toEqual(parse({}));
    expect(Object.keys(describeConfig(parse(api)))).toEqual(Object.keys(WORKER_VARIABLES));
  });

  it("says where in SMTP_LISTENERS and LIMITS the mistake is", () => {
    expect(problemsOf({ SMTP_LISTENERS: '[{"port":1},{"port":70000}]' })[0]?.reason).toContain("[1].port");
    expect(problemsOf({ LIMITS: '{"maxErrors":0}' })[0]?.reason).toContain("maxErrors");
  });

  it.each([
    { DELIVERY: "smtp://user:s3cret@next.example:2500" },
    { DELIVERY: "smtp://user:s3cret@next example:2500" },
  ])("shows no secret, neither when it is printed nor in an error", (env) => {
    let shown: string;
    try {
      shown = JSON.stringify(describeConfig(parse(env)));
    } catch (error) {
      shown = error instanceof WrongEnvironment ? error.message : "";
    }
    expect(shown).toMatch(/DELIVERY/);
    expect(shown).not.toContain("s3cret");
  });
});
