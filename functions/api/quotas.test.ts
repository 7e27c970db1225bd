import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { makeCa } from "../../test/support/pki.ts";

const ANY = { "If-Match": "*" };
const ACME = { "Postern-Account": "acme" };
const CA = makeCa().certificatePem;

async function withQuotas(quotas: object): Promise<ApiUnderTest> {
  const api = await startApi();
  await api.expect(201, "PUT", "/v1/accounts/acme", { body: { quotas } });
  return api;
}

/** Creates another record of each kind in an account. */
const CREATE = {
  domains: (api: ApiUnderTest, n: number, headers = ACME) =>
    api.send("PUT", `/v1/domains/d${n}.example`, { body: {}, headers }),
  certificates: (api: ApiUnderTest, n: number, headers = ACME) =>
    api.send("POST", "/v1/certificates", {
      body: { source: "self-signed", names: [`mx${n}.example`] },
      headers,
    }),
  trustStores: (api: ApiUnderTest, _n: number, headers = ACME) =>
    api.send("POST", "/v1/trust-stores", { body: { certificatesPem: CA }, headers }),
  tokens: (api: ApiUnderTest, _n: number, headers = ACME) =>
    api.send("POST", "/v1/tokens", {
      body: { scopes: ["domains:read"], account: headers["Postern-Account"] },
      headers,
    }),
} as const;
const KINDS = Object.keys(CREATE) as (keyof typeof CREATE)[];

describe("a quota of an account", () => {
  it.each(KINDS)("bounds its %s, and names the quota, its limit and the count", async (kind) => {
    const api = await withQuotas({ [kind]: 2 });
    await api.expect(201, "PUT", "/v1/accounts/other", { body: {} });
    expect((await CREATE[kind](api, 1)).status).toBe(201);
    expect((await CREATE[kind](api, 2)).status).toBe(201);
    const refused = await CREATE[kind](api, 3);
    expect([refused.status, refused.json.type]).toEqual([422, "urn:postern:problem:quota-exceeded"]);
    expect(refused.json.quota).toEqual({ name: kind, limit: 2, count: 2 });
    expect((await CREATE[kind](api, 3, { "Postern-Account": "other" })).status).toBe(201);
    const others = KINDS.filter((each) => each !== kind);
    for (const other of others) expect((await CREATE[other](api, 4)).status, other).toBe(201);
  });

  it.each(KINDS)("of 0 %s leaves room for none", async (kind) => {
    const api = await withQuotas({ [kind]: 0 });
    const refused = await CREATE[kind](api, 1);
    expect([refused.status, refused.json.quota]).toEqual([422, { name: kind, limit: 0, count: 0 }]);
  });

  it("is that of the account default as well", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/domains/d0.example", { body: {} });
    await api.expect(200, "PUT", "/v1/accounts/default", { body: { quotas: { domains: 1 } }, headers: ANY });
    const refused = await api.send("PUT", "/v1/domains/d1.example", { body: {} });
    expect([refused.status, refused.json.quota?.count]).toEqual([422, 1]);
  });

  it("holds for no change, and a deletion or a higher quota makes room", async () => {
    const api = await withQuotas({ domains: 1 });
    await CREATE.domains(api, 1);
    const headers = { ...ACME, ...ANY };
    await api.expect(200, "PUT", "/v1/domains/d1.example", {
      body: { tls: { enforcement: "defer" } },
      headers,
    });
    expect((await CREATE.domains(api, 2)).status).toBe(422);
    await api.expect(204, "DELETE", "/v1/domains/d1.example", { headers });
    expect((await CREATE.domains(api, 2)).status).toBe(201);
    await api.expect(200, "PUT", "/v1/accounts/acme", { body: { quotas: { domains: 2 } }, headers: ANY });
    expect((await CREATE.domains(api, 3)).status).toBe(201);
  });

  it("lets a record that cannot be read be replaced: it is counted already", async () => {
    const api = await withQuotas({ domains: 1 });
    await CREATE.domains(api, 1);
    api.database.run("UPDATE domain SET record = '{' WHERE id = ?", "d1.example");
    await api.expect(200, "PUT", "/v1/domains/d1.example", { body: {}, headers: { ...ACME, ...ANY } });
    expect((await CREATE.domains(api, 2)).status).toBe(422);
  });

  it("is judged item by item in a batch, on what the items before it have left", async () => {
    const api = await withQuotas({ domains: 2 });
    await CREATE.domains(api, 0);
    const put = (n: number) => ({ name: `d${n}.example`, put: {} });
    const items = [
      put(1),
      put(2),
      { name: "d0.example", ifMatch: "*", patch: { tls: { enforcement: "defer" } } },
      put(3),
      { name: "d0.example", ifMatch: "*", delete: true },
      put(4),
      put(5),
    ];
    const { json } = await api.expect(200, "POST", "/v1/domains:batch", { body: { items }, headers: ACME });
    expect(json.results.map(({ status }: { status: number }) => status)).toEqual([
      201, 422, 200, 422, 204, 201, 422,
    ]);
    expect(json.results[6].problem).toMatchObject({
      type: "urn:postern:problem:quota-exceeded",
      quota: { name: "domains", limit: 2, count: 2 },
    });
  });

  it("keeps a creation back where the account's record cannot be read", async () => {
    const api = await startApi();
    await api.expect(200, "PUT", "/v1/accounts/default", { body: { quotas: { domains: 5 } }, headers: ANY });
    api.database.run("UPDATE access_record SET record = '{' WHERE kind = 'account'");
    const answer = await api.send("PUT", "/v1/domains/d1.example", { body: {} });
    expect([answer.status, answer.json.type]).toEqual([409, "urn:postern:problem:unreadable"]);
    await api.expect(404, "GET", "/v1/domains/d1.example");
  });
});
