import { beforeEach, describe, expect, it, vi } from "vitest";
import { Postern, type PosternArgs } from "./postern.ts";

beforeEach(() => {
  vi.stubGlobal("$app", { name: "shop", stage: "pr-1" });
});

describe("a gate with wrong arguments", () => {
  it.each([
    [{ edgesMin: 3, edgesMax: 2 }, "edgesMax: must not be less than edgesMin"],
    [{ smtpName: "not a name" }, "smtpName: "],
    [{ delivery: "maildir:/var/mail" }, "delivery: must be smtp://"],
    [{ apiAuth: "jwt", jwtIssuer: "https://issuer.example" }, "jwtAudience: must name an audience"],
    [{ consent: ["POSTERN_NOTHING"] }, "consent: nothing is no variable"],
    [{ checkout: "../postern" }, "checkout: must be a folder below the root"],
    [{ checkout: "/srv/postern" }, "checkout: must be a folder below the root"],
    [{ mxName: "mx.example.net" }, "mxName: is no variable of a deployment"],
  ])("names the argument: %j", (args, text) => {
    expect(() => new Postern("Gate", args as PosternArgs)).toThrow(text);
  });

  it.each(["gate", "Gate-1", "G".repeat(17), "Gate.One"])("rejects the name %s", (name) => {
    expect(() => new Postern(name, { smtpName: "mx.example.net" })).toThrow("name: must be");
  });

  it("names the variable where variables are given", () => {
    const environment = { POSTERN_EDGES_MIN: "3", POSTERN_EDGES_MAX: "2" };
    expect(() => new Postern("Gate", { environment })).toThrow("POSTERN_EDGES_MAX: must not be less than");
  });

  it("takes variables of clients of the API for no settings", () => {
    const environment = { POSTERN_URL: "https://api.example", POSTERN_ZONES: "9" };
    expect(() => new Postern("Gate", { environment })).toThrow("POSTERN_ZONES: must be a number");
  });
});
