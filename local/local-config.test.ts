import { describe, expect, it } from "vitest";
import { WrongEnvironment } from "../core/environment.ts";
import { describeLocalConfig, helpText, LOCAL_VARIABLES, parseLocalConfig } from "./local-config.ts";

const CONTEXT = { cwd: "/srv/postern", hostName: "mx.example.org" };
const parse = (environment: Record<string, string>) => parseLocalConfig(environment, CONTEXT);

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    parse(environment);
  } catch (error) {
    if (error instanceof WrongEnvironment) return error.problems.map(({ variable }) => variable);
    throw error;
  }
  return [];
}

describe("the configuration of npm start", () => {
  it("has these defaults for the API beside those of the edge", () => {
    expect(parse({})).toMatchObject({
      apiHost: "127.0.0.1",
      apiPort: 8080,
      apiToken: null,
      healthHost: "127.0.0.1",
      smtpName: "mx.example.org",
    });
  });

  it("takes an empty variable as not set", () => {
    const empty = Object.fromEntries(Object.keys(LOCAL_VARIABLES).map((name) => [name, ""]));
    expect(parse(empty)).toEqual(parse({}));
  });

  it("reads every variable of the API", () => {
    expect(parse({ API_HOST: "::1", API_PORT: "0", API_TOKEN: "abc-._~+/==" })).toMatchObject({
      apiHost: "::1",
      apiPort: 0,
      apiToken: "abc-._~+/==",
    });
  });

  it.each([
    [{ API_HOST: "0.0.0.0" }, "0.0.0.0", "API_HOST"],
    [{ API_HOST: "0.0.0.0", HEALTH_HOST: "" }, "0.0.0.0", "API_HOST"],
    [{ API_HOST: "0.0.0.0", HEALTH_HOST: "127.0.0.1" }, "127.0.0.1", "HEALTH_HOST"],
    [{ HEALTH_HOST: "::1" }, "::1", "HEALTH_HOST"],
  ])(
    "puts the health server for %j on %s, the value of %s",
    (environment, healthHost, healthHostVariable) => {
      expect(parse(environment)).toMatchObject({ healthHost, healthHostVariable });
    },
  );

  it.each([
    ["API_HOST", "no host"],
    ["API_PORT", "65536"],
    ["API_TOKEN", "two words"],
    ["API_TOKEN", "naïve"],
    ["HEALTH_HOST", "[::1]"],
  ])("refuses %s=%j by its name alone", (variable, value) => {
    expect(problemsOf({ [variable]: value })).toEqual([variable]);
  });

  it("names the wrong variables of the API and of the edge at once", () => {
    expect(problemsOf({ LOG_LEVEL: "loud", API_PORT: "x" })).toEqual(["API_PORT", "LOG_LEVEL"]);
  });

  it("is shown by every variable and without the token", () => {
    const shown = describeLocalConfig(parse({ API_TOKEN: "s3cret" }));
    expect(Object.keys(shown)).toEqual(Object.keys(LOCAL_VARIABLES));
    expect(JSON.stringify(shown)).not.toContain("s3cret");
  });

  it("is explained by --help, variable by variable", () => {
    for (const [name, { defaultText, meaning }] of Object.entries(LOCAL_VARIABLES)) {
      expect(helpText()).toContain(name);
      expect(helpText()).toContain(defaultText);
      expect(helpText()).toContain(meaning);
    }
  });
});
