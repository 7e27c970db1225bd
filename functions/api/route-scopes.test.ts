import { OpenAPIHono } from "@hono/zod-openapi";
import { describe, expect, it } from "vitest";
import { SCOPE_NAMES, type Scope } from "../../core/access/scope.ts";
import { callerWith, startApi } from "../../test/support/api.ts";
import type { ApiEnv } from "./api-env.ts";
import { declaredRoutes, requireDeclaredScopes } from "./declared-routes.ts";

const apiOf = (scopes: readonly Scope[], account = "tenant") =>
  startApi({ authenticate: () => callerWith({ account, scopes }) });

/** Path of a route with something in place of each parameter. */
const pathOf = (pattern: string): string => pattern.replaceAll(/(?<=\/):\w+/g, "x.example");

describe("the scope of a route", () => {
  it("is declared by every route below /v1, and is the only one that lets a caller in", async () => {
    const { app } = await startApi();
    const routes = [...declaredRoutes(app)].filter(([route]) => route.includes(" /v1/"));
    expect(routes.length).toBeGreaterThan(25);
    for (const [route, { scope }] of routes) {
      if (scope === null) continue;
      const [method = "", pattern = ""] = route.split(" ");
      const others = SCOPE_NAMES.filter((each) => each !== scope && each !== "operator");
      const refused = await (await apiOf(others)).send(method, pathOf(pattern));
      expect(refused.status, route).toBe(403);
      expect(refused.json, route).toMatchObject({ type: "urn:postern:problem:missing-scope", scope });
      expect(refused.json.detail, route).toContain(String(scope));
      expect(refused.headers.get("www-authenticate"), route).toBe(
        `Bearer realm="postern", error="insufficient_scope", scope="${String(scope)}"`,
      );
      const passed = await (await apiOf([scope ?? "operator"])).send(method, pathOf(pattern));
      expect(passed.status, route).not.toBe(403);
    }
  });

  it("is judged before the query, the conditions and the body", async () => {
    const api = await apiOf([]);
    const options = { rawBody: "{", headers: { "If-Match": "?", "content-type": "text/plain" } };
    expect((await api.send("PUT", "/v1/domains/-?typo=1", options)).problems).toEqual([
      "missing-scope /authorization",
    ]);
  });

  it("is refused by createApp where a route declares none", () => {
    const app = new OpenAPIHono<ApiEnv>();
    app.use("/v1/*", async (_, next) => next());
    app.get("/health/live", (c) => c.text("live"));
    expect(() => requireDeclaredScopes(app)).not.toThrow();
    app.get("/v1/new", (c) => c.text("open"));
    expect(() => requireDeclaredScopes(app)).toThrow("GET /v1/new declares no scope");
  });

  it("is refused by createApp for a handler of all methods", () => {
    const app = new OpenAPIHono<ApiEnv>();
    app.all("/v1/any", (c) => c.text("open"));
    expect(() => requireDeclaredScopes(app)).toThrow("ALL /v1/any declares no scope");
  });

  it("is in the document, in words and as a member of the operation", async () => {
    const { app } = await startApi();
    const document = JSON.parse(await (await app.request("/openapi.json")).text());
    const { get } = document.paths["/v1/domains/{name}/status"];
    expect(get.security).toEqual([{ bearer: [] }]);
    expect(get["x-scope"]).toBe("domains:read");
    expect(get.description).toContain("Scope: `domains:read`");
    expect(get.parameters).toContainEqual(expect.objectContaining({ name: "Postern-Account", in: "header" }));
    expect(document.paths["/health/live"].get.parameters).toBeUndefined();
  });
});

describe("Postern-Account", () => {
  const headers = { "Postern-Account": "tenant" };

  it("makes an operator act in the account that it names, with its own name in the log", async () => {
    const api = await startApi({ authenticate: () => callerWith({ name: "root", scopes: ["operator"] }) });
    await api.expect(201, "PUT", "/v1/accounts/tenant", { body: {} });
    await api.expect(201, "PUT", "/v1/domains/tenant.example", { body: {}, headers });
    expect(api.events.at(-1)).toMatchObject({ account: "tenant", actor: "root" });
    expect((await api.expect(200, "GET", "/v1/domains")).json.items).toEqual([]);
    const { json } = await api.expect(200, "GET", "/v1/domains/tenant.example", { headers });
    expect(json).toMatchObject({ account: "tenant", updatedBy: "root" });
    const changes = await api.expect(200, "GET", "/v1/changes", { headers });
    expect(changes.json.items).toMatchObject([{ actor: "root" }]);
  });

  it("is 422 for an operator where no account has the name", async () => {
    const api = await startApi();
    expect((await api.send("GET", "/v1/domains", { headers })).problems).toEqual([
      "unknown-account /postern-account",
    ]);
    await api.expect(200, "GET", "/v1/domains", { headers: { "Postern-Account": "default" } });
  });

  it.each(["", "UPPER", "a_b", "-a", "a-", "a".repeat(41), "a/b", "a b"])(
    "is malformed as %j: 400 for an operator, 403 for others",
    async (name) => {
      const given = { headers: { "Postern-Account": name } };
      expect((await (await apiOf(["operator"])).send("GET", "/v1/domains", given)).problems).toEqual([
        "invalid-account /postern-account",
      ]);
      const refused = await (await apiOf(["domains:read"])).send("GET", "/v1/domains", given);
      expect(refused.json).toMatchObject({ status: 403, scope: "operator" });
    },
  );

  it("is 403 for a caller without operator, except with its own account", async () => {
    const api = await apiOf(SCOPE_NAMES.filter((scope) => scope !== "operator"));
    const refused = await api.send("GET", "/v1/domains", { headers: { "Postern-Account": "default" } });
    expect(refused.json).toMatchObject({ status: 403, scope: "operator" });
    await api.expect(200, "GET", "/v1/domains", { headers });
  });
});
