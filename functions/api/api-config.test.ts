import { describe, expect, it } from "vitest";
import { DEFAULT_RATE_LIMITS } from "../../core/access/rate-limit.ts";
import { readEnvironment } from "../../core/environment.ts";
import { apiConfigSchema } from "./api-config.ts";

describe("the API's own variables on AWS", () => {
  it("are read, with IAM as the default", () => {
    expect(readEnvironment(apiConfigSchema, { SMTP_NAME: "MX.Example.com." })).toEqual({
      API_AUTH: "iam",
      API_DEFAULT_ACCESS: "operator",
      API_JWT_SCOPE_CLAIM: "scope",
      API_RATE_LIMITS: DEFAULT_RATE_LIMITS,
      SMTP_NAME: "mx.example.com",
      LOG_LEVEL: "info",
    });
  });

  it.each([
    ["SMTP_NAME", undefined, "SMTP_NAME: is not set"],
    ["SMTP_NAME", "not a name", "SMTP_NAME: must be a host name"],
    ["API_AUTH", "none", "API_AUTH: must be iam, jwt or token"],
    ["API_AUTH", "IAM", "API_AUTH: must be iam, jwt or token"],
    ["LOG_LEVEL", "loud", "LOG_LEVEL: must be one of info, error, silent"],
  ])("with %s=%j are refused", (name, value, reason) => {
    const environment = { SMTP_NAME: "mx.example.com", [name]: value };
    expect(() => readEnvironment(apiConfigSchema, environment)).toThrow(reason);
  });
});
