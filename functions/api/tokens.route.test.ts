import { describe, expect, it } from "vitest";
import { SCOPE_NAMES } from "../../core/access/scope.ts";
import { secretHash } from "../../core/access/token-text.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";

const HERE = { headers: { "If-Match": "*" } };
const DOMAINS = ["domains:read", "domains:write"];

async function makeToken(api: ApiUnderTest, body: object, token?: string) {
  const options = token === undefined ? { body } : { body, token };
  return (await api.expect(201, "POST", "/v1/tokens", options)).json;
}

async function withTenant(): Promise<ApiUnderTest> {
  const api = await startApi();
  await api.expect(201, "PUT", "/v1/accounts/acme", { body: { label: "Acme" } });
  return api;
}

describe("a token", () => {
  it("is shown once, works with its scopes in its account, and is stored as a hash alone", async () => {
    const api = await withTenant();
    const made = await makeToken(api, { label: "job", scopes: DOMAINS, account: "acme" });
    expect(made.token).toMatch(new RegExp(`^postern_${made.id}_[A-Za-z0-9_-]{43}$`));
    const secret = made.token.slice(`postern_${made.id}_`.length);
    const { token } = made;
    const { json: who } = await api.expect(200, "GET", "/v1/whoami", { token });
    expect(who).toEqual({
      account: "acme",
      homeAccount: "acme",
      name: `token:${made.id}`,
      kind: "token",
      id: made.id,
      scopes: DOMAINS,
      expiresAt: null,
    });
    await api.expect(201, "PUT", "/v1/domains/acme.example", { body: {}, token });
    expect((await api.send("GET", "/v1/certificates", { token })).json.scope).toBe("certificates:read");
    const stored = JSON.stringify(api.database.all("SELECT * FROM access_record"));
    expect(stored).not.toContain(secret);
    expect(stored).toContain(secretHash(secret));
    const seen = [
      await api.expect(200, "GET", `/v1/tokens/${made.id}`),
      await api.expect(200, "GET", "/v1/tokens", { headers: { "Postern-Account": "acme" } }),
    ];
    for (const { text } of seen) {
      expect(text).toContain(made.id);
      expect(text).not.toContain(secret);
      expect(text).not.toContain(secretHash(secret));
    }
    expect(JSON.stringify(api.events)).not.toContain(secret);
  });

  it.each([
    ["revoked", async (api: ApiUnderTest, id: string) => api.expect(204, "DELETE", `/v1/tokens/${id}`, HERE)],
    ["expired", async (api: ApiUnderTest) => api.advance(3_600_000)],
    [
      "damaged",
      async (api: ApiUnderTest) =>
        api.database.run("UPDATE access_record SET record = '{}' WHERE kind = 'token'"),
    ],
  ])("that is %s is 401, with the answer of an unknown and a malformed one", async (_, end) => {
    const api = await startApi();
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const made = await makeToken(api, { scopes: DOMAINS, expiresAt });
    const { token } = made;
    await api.expect(200, "GET", "/v1/domains", { token });
    await end(api, made.id);
    const without = ({ requestId: _requestId, ...rest }: Record<string, unknown>) => rest;
    const refused = [];
    for (const each of [token, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`, "postern_x_y", "%"])
      refused.push(await api.expect(401, "GET", "/v1/domains", { token: each }));
    const [first, ...others] = refused;
    for (const other of others) {
      expect(without(other.json)).toEqual(without(first?.json));
      expect(other.headers.get("www-authenticate")).toBe(first?.headers.get("www-authenticate"));
    }
  });

  it("with the secret of another token is 401", async () => {
    const api = await startApi();
    const [one, two] = [
      await makeToken(api, { scopes: DOMAINS }),
      await makeToken(api, { scopes: ["operator"] }),
    ];
    const secret = one.token.slice(`postern_${one.id}_`.length);
    await api.expect(401, "GET", "/v1/domains", { token: `postern_${two.id}_${secret}` });
  });

  it("gives no scope that its maker lacks, whatever else is wrong", async () => {
    const api = await startApi();
    const { token } = await makeToken(api, { scopes: ["tokens:write", "domains:read"] });
    for (const scope of SCOPE_NAMES) {
      const has = scope === "tokens:write" || scope === "domains:read";
      const answer = await api.send("POST", "/v1/tokens", { body: { scopes: [scope] }, token });
      expect([answer.status, answer.json.scope], scope).toEqual(has ? [201, undefined] : [403, scope]);
    }
  });

  it("is of another account only where an operator makes it, and only of one that exists", async () => {
    const api = await withTenant();
    const { token } = await makeToken(api, { scopes: ["tokens:write"] });
    const body = { scopes: ["tokens:write"], account: "acme" };
    const refused = await api.send("POST", "/v1/tokens", { body, token });
    expect(refused.json).toMatchObject({ status: 403, scope: "operator" });
    expect(
      (await api.send("POST", "/v1/tokens", { body: { ...body, account: "not-here" } })).problems,
    ).toEqual(["unknown-account /account"]);
  });

  it.each([
    [{ scopes: [] }, 400, "too-small /scopes"],
    [{ scopes: ["domains:read", "domains:read"] }, 400, "duplicate /scopes/1"],
    [{ scopes: ["domains:everything"] }, 400, "invalid-value /scopes/0"],
    [{ scopes: DOMAINS, account: "Not A Name" }, 400, "invalid-format /account"],
    [{ scopes: DOMAINS, expiresAt: "tomorrow" }, 400, "invalid-format /expiresAt"],
    [{ scopes: DOMAINS, expiresAt: "2020-01-01T00:00:00Z" }, 422, "expires-in-past /expiresAt"],
    [{ scopes: DOMAINS, secret: "mine" }, 400, "unknown-field /secret"],
  ])("is not made of %j", async (body, status, problem) => {
    const answer = await (await startApi()).send("POST", "/v1/tokens", { body });
    expect([answer.status, answer.problems]).toEqual([status, [problem]]);
  });

  it("of another account is absent, as one that was never made", async () => {
    const api = await withTenant();
    const foreign = await makeToken(api, { scopes: ["tokens:write"], label: "foreign-label" });
    const { token } = await makeToken(api, { scopes: ["tokens:write"], account: "acme" });
    const absent = "tok_01KDW0000000000000000000A1";
    for (const method of ["GET", "DELETE"] as const) {
      const [one, other] = [
        await api.expect(404, method, `/v1/tokens/${foreign.id}`, { token, ...HERE }),
        await api.expect(404, method, `/v1/tokens/${absent}`, { token, ...HERE }),
      ];
      expect({ ...one.json, requestId: "" }).toEqual({ ...other.json, requestId: "" });
    }
    expect((await api.expect(200, "GET", "/v1/tokens", { token })).text).not.toContain("foreign-label");
    await api.expect(200, "GET", `/v1/tokens/${foreign.id}`);
  });

  it("needs If-Match to be deleted, and may delete itself", async () => {
    const api = await startApi();
    const { id, token, revision } = await makeToken(api, { scopes: ["tokens:write"] });
    await api.expect(428, "DELETE", `/v1/tokens/${id}`, { token });
    await api.expect(412, "DELETE", `/v1/tokens/${id}`, { token, headers: { "If-Match": '"1"' } });
    await api.expect(204, "DELETE", `/v1/tokens/${id}`, { token, headers: { "If-Match": `"${revision}"` } });
    await api.expect(401, "GET", "/v1/whoami", { token });
  });

  it("shows when it was used, to the hour, with one write an hour", async () => {
    const api = await startApi();
    const { id, token } = await makeToken(api, { scopes: DOMAINS });
    const lastUsedAt = async () => (await api.expect(200, "GET", `/v1/tokens/${id}`)).json.lastUsedAt;
    expect(await lastUsedAt()).toBeNull();
    for (let use = 0; use < 3; use += 1) await api.expect(200, "GET", "/v1/domains", { token });
    const first = await lastUsedAt();
    expect(first).toBe(new Date(Math.floor(api.clock.now() / 3_600_000) * 3_600_000).toISOString());
    const before = api.database.get("SELECT total_changes() AS changes");
    await api.expect(200, "GET", "/v1/domains", { token });
    expect(api.database.get("SELECT total_changes() AS changes")).toEqual(before);
    api.advance(3_600_000);
    await api.expect(200, "GET", "/v1/domains", { token });
    expect(Date.parse(await lastUsedAt())).toBe(Date.parse(first) + 3_600_000);
  });

  it("works on after its maker was deleted, and its answer says so", async () => {
    const api = await startApi();
    const maker = await makeToken(api, { scopes: ["tokens:write"] });
    const made = await makeToken(api, { scopes: ["tokens:write"] }, maker.token);
    expect(made).toMatchObject({ createdBy: `token:${maker.id}`, creatorGone: false });
    await api.expect(204, "DELETE", `/v1/tokens/${maker.id}`, HERE);
    const { json } = await api.expect(200, "GET", `/v1/tokens/${made.id}`, { token: made.token });
    expect(json.creatorGone).toBe(true);
  });

  it("is listed in pages, oldest first", async () => {
    const api = await startApi();
    const made = [];
    for (let n = 0; n < 5; n += 1) {
      made.push((await makeToken(api, { scopes: DOMAINS, label: String(n) })).id);
      api.advance(1);
    }
    const listed: string[] = [];
    let cursor = "";
    do {
      const { json } = await api.expect(200, "GET", `/v1/tokens?limit=2${cursor}`);
      listed.push(...json.items.map(({ id }: { id: string }) => id));
      cursor = json.nextCursor === null ? "" : `&cursor=${json.nextCursor}`;
    } while (cursor !== "");
    expect(listed).toEqual(made);
  });

  it("is in the log when it is made and deleted, with its scopes", async () => {
    const api = await withTenant();
    const { id } = await makeToken(api, { scopes: DOMAINS, account: "acme" });
    await api.expect(204, "DELETE", `/v1/tokens/${id}`, HERE);
    const events = api.events.filter(({ event }) => event === "access-changed");
    const change = { resource: `token/${id}`, resourceAccount: "acme", scopes: DOMAINS, actor: "tester" };
    expect(events).toMatchObject([
      { action: "create", resource: "account/acme", account: "default" },
      { action: "create", ...change },
      { action: "delete", ...change },
    ]);
  });
});
