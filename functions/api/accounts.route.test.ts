import { describe, expect, it } from "vitest";
import { SCOPE_NAMES } from "../../core/access/scope.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";

const HERE = { headers: { "If-Match": "*" } };
const BUT_OPERATOR = SCOPE_NAMES.filter((scope) => scope !== "operator");
const ARN = "arn:aws:iam::123456789012:role/deploy";
const pathOf = (arn: string): string => `/v1/principals/${encodeURIComponent(arn)}`;

/** An API with the accounts acme and rival, and a token of each with every scope but operator. */
async function withTenants() {
  const api = await startApi();
  for (const name of ["acme", "rival"])
    await api.expect(201, "PUT", `/v1/accounts/${name}`, { body: { label: `label-of-${name}` } });
  return { api, acme: await tokenOf(api, "acme"), rival: await tokenOf(api, "rival") };
}

async function tokenOf(api: ApiUnderTest, account: string, scopes: readonly string[] = BUT_OPERATOR) {
  const { json } = await api.expect(201, "POST", "/v1/tokens", { body: { account, scopes } });
  return json.token as string;
}

describe("an account", () => {
  it("is created, replaced, sent back as read without a change, and deleted by its revision", async () => {
    const api = await startApi();
    const path = "/v1/accounts/acme";
    const created = await api.expect(201, "PUT", path, {
      body: { label: "Acme", quotas: { domains: 5, tokens: 0 } },
    });
    expect(created.headers.get("location")).toBe(path);
    const { json: read, headers } = await api.expect(200, "GET", path);
    expect(read).toMatchObject({
      name: "acme",
      label: "Acme",
      quotas: { domains: 5, certificates: null, trustStores: null, tokens: 0 },
      createdBy: "tester",
    });
    const etag = headers.get("etag") ?? "";
    await api.expect(428, "PUT", path, { body: read });
    const same = await api.expect(200, "PUT", path, { body: read, headers: { "If-Match": etag } });
    expect(same.json).toEqual(read);
    const changed = await api.expect(200, "PUT", path, { body: {}, headers: { "If-Match": etag } });
    expect(changed.json).toMatchObject({ label: null, quotas: { domains: null } });
    await api.expect(412, "DELETE", path, { headers: { "If-Match": etag } });
    await api.expect(204, "DELETE", path, HERE);
    await api.expect(404, "GET", path);
    const changes = api.events.filter(({ event }) => event === "access-changed");
    expect(changes.map((each) => "action" in each && each.action)).toEqual(["create", "update", "delete"]);
  });

  it.each(["-a", "a-", "A", "a.b", "a".repeat(41), "%20"])("has no name such as %s", async (name) => {
    await (await startApi()).expect(400, "PUT", `/v1/accounts/${name}`, { body: {} });
  });

  it("has the name of its path", async () => {
    const answer = await (await startApi()).send("PUT", "/v1/accounts/acme", { body: { name: "rival" } });
    expect(answer.problems).toEqual(["name-differs /name"]);
  });

  it("default always exists: it is read, listed, replaced, and not deleted", async () => {
    const api = await startApi();
    const path = "/v1/accounts/default";
    const { json, headers } = await api.expect(200, "GET", path);
    expect((await api.expect(200, "GET", "/v1/accounts")).json.items).toEqual([json]);
    await api.expect(409, "DELETE", path, HERE);
    const condition = { "If-Match": headers.get("etag") ?? "" };
    await api.expect(200, "PUT", path, { body: { ...json, label: "ours" }, headers: condition });
    await api.expect(412, "PUT", path, { body: {}, headers: condition });
    expect((await api.expect(200, "GET", "/v1/accounts")).json.items).toMatchObject([{ label: "ours" }]);
  });

  it("default is on its page of a list, whatever the page's length", async () => {
    const api = await startApi();
    for (const name of ["a", "b", "x", "y"])
      await api.expect(201, "PUT", `/v1/accounts/${name}`, { body: {} });
    for (const limit of [1, 2, 3, 4, 5, 6]) {
      const names: string[] = [];
      let cursor = "";
      do {
        const { json } = await api.expect(200, "GET", `/v1/accounts?limit=${limit}${cursor}`);
        expect(json.items.length).toBeLessThanOrEqual(limit);
        names.push(...json.items.map(({ name }: { name: string }) => name));
        cursor = json.nextCursor === null ? "" : `&cursor=${json.nextCursor}`;
      } while (cursor !== "");
      expect(names, `limit ${limit}`).toEqual(["a", "b", "default", "x", "y"]);
    }
  });

  it("that has anything is not deleted, and the answer names what", async () => {
    const { api, acme: token } = await withTenants();
    for (const name of ["a", "b"])
      await api.expect(201, "PUT", `/v1/domains/${name}.acme.example`, { body: {}, token });
    const { json } = await api.expect(409, "DELETE", "/v1/accounts/acme", HERE);
    const at = { in: "path", pointer: "/account", code: "in-use" };
    expect(json).toMatchObject({
      type: "urn:postern:problem:in-use",
      detail: "the account still has 2 domains, 1 token: delete them first",
      errors: [
        { ...at, message: "has 2 domains" },
        { ...at, message: "has 1 token" },
      ],
    });
  });

  it("that has more than a page of a kind is not deleted, and the answer says at least how many", async () => {
    const { api } = await withTenants();
    const body = { account: "acme", label: "made", scopes: ["domains:read"] };
    for (let count = 0; count < 200; count += 1) await api.expect(201, "POST", "/v1/tokens", { body });
    const { json } = await api.expect(409, "DELETE", "/v1/accounts/acme", HERE);
    expect(json.detail).toBe("the account still has at least 200 tokens: delete them first");
  });

  it("is all that a tenant sees of accounts, and only its label is the tenant's to change", async () => {
    const { api, acme: token } = await withTenants();
    const list = await api.expect(200, "GET", "/v1/accounts", { token });
    expect(list.json.items.map(({ name }: { name: string }) => name)).toEqual(["acme"]);
    for (const name of ["rival", "default", "absent"]) {
      const path = `/v1/accounts/${name}`;
      expect((await api.expect(404, "GET", path, { token })).text, name).not.toContain("label-of-rival");
      await api.expect(404, "DELETE", path, { token, ...HERE });
      const refused = await api.expect(403, "PUT", path, { token, body: {}, ...HERE });
      expect(refused.json.scope, name).toBe("operator");
    }
    const own = "/v1/accounts/acme";
    await api.expect(200, "PUT", own, { token, body: { label: "renamed" }, ...HERE });
    const quotas = { domains: 1_000 };
    await api.expect(403, "PUT", own, { token, body: { label: "renamed", quotas }, ...HERE });
    await api.expect(403, "DELETE", own, { token, ...HERE });
  });
});

describe("a principal", () => {
  it("is created, sent back as read without a change, listed and deleted", async () => {
    const { api } = await withTenants();
    const body = { account: "acme", scopes: ["domains:read"], label: "job" };
    const created = await api.expect(201, "PUT", pathOf(ARN), { body });
    expect(created.headers.get("location")).toBe(pathOf(ARN));
    const { json: read, headers } = await api.expect(200, "GET", pathOf(ARN));
    expect(read).toMatchObject({ ...body, arn: ARN });
    const condition = { headers: { "If-Match": headers.get("etag") ?? "" } };
    expect((await api.expect(200, "PUT", pathOf(ARN), { body: read, ...condition })).json).toEqual(read);
    await api.expect(428, "PUT", pathOf(ARN), { body });
    const list = await api.expect(200, "GET", "/v1/principals", { headers: { "Postern-Account": "acme" } });
    expect(list.json.items).toEqual([read]);
    expect((await api.expect(200, "GET", "/v1/principals")).json.items).toEqual([]);
    await api.expect(204, "DELETE", pathOf(ARN), condition);
    await api.expect(404, "GET", pathOf(ARN));
  });

  it.each([
    ["arn:aws:sts::123456789012:assumed-role/deploy/session", ARN],
    ["arn:aws:iam::123456789012:role/team/x/deploy", ARN],
    ["arn:aws-cn:iam::123456789012:root", "arn:aws-cn:iam::123456789012:root"],
    ["arn:aws-us-gov:iam::123456789012:user/team/bob", "arn:aws-us-gov:iam::123456789012:user/team/bob"],
    ["arn:aws:sts::123456789012:federated-user/bob", "arn:aws:sts::123456789012:federated-user/bob"],
  ])("of %s is %s", async (given, arn) => {
    const api = await startApi();
    const { json } = await api.expect(201, "PUT", pathOf(given), { body: { scopes: [] } });
    expect(json.arn).toBe(arn);
    await api.expect(200, "GET", pathOf(arn));
  });

  it.each([
    "deploy",
    "arn:aws:iam::12345:role/deploy",
    "arn:aws:iam::123456789012:role/",
    "arn:aws:iam::123456789012:group/admins",
    "arn:aws:iam::123456789012:role/*",
    "arn:aws:sts::123456789012:assumed-role/deploy",
    "arn:azure:iam::123456789012:role/deploy",
    "arn:aws:s3:::bucket",
    `arn:aws:iam::123456789012:user/${"p".repeat(640)}`,
  ])("is not made of %s", async (arn) => {
    const { status } = await (await startApi()).send("PUT", pathOf(arn), { body: { scopes: [] } });
    expect(status).toBe(400);
  });

  it("is written by the operator's account alone, with no scope that the caller lacks", async () => {
    const { api, acme } = await withTenants();
    const body = { scopes: ["accounts:write"] };
    expect((await api.expect(403, "PUT", pathOf(ARN), { body, token: acme })).json.scope).toBe("operator");
    const admin = await tokenOf(api, "default", ["accounts:write"]);
    await api.expect(201, "PUT", pathOf(ARN), { body, token: admin });
    const more = { scopes: ["accounts:write", "domains:write"] };
    expect(
      (await api.expect(403, "PUT", pathOf(ARN), { body: more, token: admin, ...HERE })).json.scope,
    ).toBe("domains:write");
    const elsewhere = { ...body, account: "acme" };
    expect(
      (await api.expect(403, "PUT", pathOf(ARN), { body: elsewhere, token: admin, ...HERE })).json.scope,
    ).toBe("operator");
    const absent = await api.expect(404, "GET", pathOf(`${ARN}2`), { token: acme });
    const foreign = await api.expect(404, "GET", pathOf(ARN), { token: acme });
    expect({ ...foreign.json, requestId: "" }).toEqual({ ...absent.json, requestId: "" });
  });

  it("of another account is name-taken to an administrator, without further detail", async () => {
    const { api } = await withTenants();
    await api.expect(201, "PUT", pathOf(ARN), { body: { scopes: [], account: "acme", label: "secret" } });
    const token = await tokenOf(api, "default", ["accounts:write"]);
    const { json, text } = await api.expect(409, "PUT", pathOf(ARN), {
      body: { scopes: [] },
      token,
      ...HERE,
    });
    expect(json.type).toBe("urn:postern:problem:name-taken");
    expect(text).not.toContain("acme");
  });

  it("is the operator's to write where one without a record is an operator", async () => {
    const api = await startApi({ defaultAccess: "operator" });
    const token = await tokenOf(api, "default", ["accounts:write"]);
    const body = { scopes: ["accounts:write"] };
    expect((await api.expect(403, "PUT", pathOf(ARN), { body, token })).json.scope).toBe("operator");
    await api.expect(201, "PUT", pathOf(ARN), { body });
    expect((await api.expect(403, "DELETE", pathOf(ARN), { token, ...HERE })).json.scope).toBe("operator");
    await api.expect(204, "DELETE", pathOf(ARN), HERE);
  });
});
