import { afterEach, describe, expect, it, vi } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import type { KeptAnswers } from "../../core/store/kept-answers.ts";
import { SqliteKeptAnswers } from "../../adapters/local/sqlite-kept-answers.ts";
import { openDatabase } from "../../adapters/local/database.ts";
import { declaredRoutes } from "../../test/support/api-answer.ts";
import { type ApiUnderTest, callerWith, OTHER_TOKEN, startApi, TOKEN } from "../../test/support/api.ts";

const KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324";
const KEYED = { "idempotency-key": `"${KEY}"` };
const TOKEN_BODY = { label: "deploy", scopes: ["domains:read"] };
const SELF_SIGNED = { source: "self-signed", names: ["mx1.example.org"] };
const DAY_MS = 24 * 3600 * 1000;

const makeToken = (api: ApiUnderTest, headers: Record<string, string> = KEYED, body: object = TOKEN_BODY) =>
  api.send("POST", "/v1/tokens", { headers, body });
const tokensOf = async (api: ApiUnderTest): Promise<unknown[]> =>
  (await api.expect(200, "GET", "/v1/tokens")).json.items as unknown[];

afterEach(() => vi.restoreAllMocks());

describe("a request with an Idempotency-Key", () => {
  it("has the same answer when it is sent again, headers and secret included, and is carried out once", async () => {
    const api = await startApi();
    const first = await makeToken(api);
    const second = await makeToken(api);
    expect(first.status).toBe(201);
    expect(second.status).toBe(201);
    expect(second.json).toEqual(first.json);
    expect(second.json.token).toMatch(/^postern_/);
    for (const header of ["etag", "location", "content-type"])
      expect(second.headers.get(header), header).toBe(first.headers.get(header));
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect(await tokensOf(api)).toHaveLength(1);
  });

  it.each(Array.from({ length: 3 }, (_, n) => n))(
    "makes one record of 20 equal requests at once (%i)",
    async () => {
      const api = await startApi();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () =>
          api.send("POST", "/v1/certificates", { headers: KEYED, body: SELF_SIGNED }),
        ),
      );
      expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(1);
      for (const answer of answers.filter(({ status }) => status !== 201)) {
        expect(answer.problems).toEqual(["request-in-progress /idempotency-key"]);
        expect(answer.headers.get("retry-after")).toBe("1");
      }
      const ids = answers.flatMap(({ status, json }) => (status === 201 ? [json.id] : []));
      expect(new Set(ids).size).toBe(1);
      expect((await api.expect(200, "GET", "/v1/certificates")).json.items).toHaveLength(1);
      const again = await api.send("POST", "/v1/certificates", { headers: KEYED, body: SELF_SIGNED });
      expect(again.json.id).toBe(ids[0]);
    },
  );

  it.each<[string, (api: ApiUnderTest) => ReturnType<ApiUnderTest["send"]>]>([
    ["another body", (api) => makeToken(api, KEYED, { ...TOKEN_BODY, label: "other" })],
    [
      "another spelling of the body",
      (api) => {
        const rawBody = `${JSON.stringify(TOKEN_BODY)} `;
        return api.send("POST", "/v1/tokens", { headers: KEYED, rawBody });
      },
    ],
    ["another path", (api) => api.send("POST", "/v1/certificates", { headers: KEYED, body: SELF_SIGNED })],
    ["another condition", (api) => makeToken(api, { ...KEYED, "if-match": "*" })],
    [
      "another media type",
      (api) => makeToken(api, { ...KEYED, "content-type": "application/json; charset=utf-8" }),
    ],
  ])("is 422 with %s under the key, and nothing is carried out", async (_, other) => {
    const api = await startApi();
    await makeToken(api);
    const answer = await other(api);
    expect(answer.status).toBe(422);
    expect(answer.problems).toEqual(["idempotency-key-reused /idempotency-key"]);
    expect(answer.json.type).toBe("urn:postern:problem:idempotency-key-reused");
    expect(await tokensOf(api)).toHaveLength(1);
    expect((await api.expect(200, "GET", "/v1/certificates")).json.items).toEqual([]);
  });

  it("is 409 with Retry-After while the first one runs, and 422 with another body even then", async () => {
    const database = openDatabase(":memory:");
    const store = new SqliteKeptAnswers(database, { now: Date.now });
    const kept = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const slow: KeptAnswers = {
      begin: (...args) => store.begin(...args),
      release: (...args) => store.release(...args),
      keep: async (...args) => {
        begun.resolve(undefined);
        await kept.promise;
        return store.keep(...args);
      },
    };
    const api = await startApi({ keptAnswers: slow });
    const first = makeToken(api);
    await begun.promise;
    const meanwhile = await makeToken(api);
    expect(meanwhile.status).toBe(409);
    expect(meanwhile.headers.get("retry-after")).toBe("1");
    expect((await makeToken(api, KEYED, { ...TOKEN_BODY, label: "other" })).status).toBe(422);
    kept.resolve(undefined);
    expect((await first).status).toBe(201);
    expect((await makeToken(api)).json).toEqual((await first).json);
    database.close();
  });

  it("is kept for a day", async () => {
    const api = await startApi();
    const first = await makeToken(api);
    api.advance(DAY_MS - 60_000);
    expect((await makeToken(api)).json.id).toBe(first.json.id);
    api.advance(120_000);
    expect((await makeToken(api)).json.id).not.toBe(first.json.id);
  });

  it("can be sent again a minute after its process has ended in the middle of it", async () => {
    const api = await startApi();
    vi.spyOn(api.keptAnswers, "keep").mockImplementationOnce(() => Promise.reject(new Unavailable("gone")));
    await makeToken(api);
    expect(api.events.filter(({ event }) => event === "answer-keep-failed")).toHaveLength(1);
    expect((await makeToken(api)).status).toBe(409);
    api.advance(60_000);
    expect((await makeToken(api)).status).toBe(201);
  });

  it("is answered the same where it was refused, under the requestId of the present request", async () => {
    const api = await startApi();
    const body = { ...TOKEN_BODY, scopes: ["domains:fly"] };
    const first = await makeToken(api, KEYED, body);
    const second = await makeToken(api, KEYED, body);
    expect([first.status, second.status]).toEqual([400, 400]);
    expect(second.headers.get("idempotency-replayed")).toBe("true");
    expect({ ...second.json, requestId: "" }).toEqual({ ...first.json, requestId: "" });
    expect(second.json.requestId).not.toBe(first.json.requestId);
  });

  it("is not remembered where the server failed: it is carried out when it is sent again", async () => {
    const api = await startApi();
    const failing = vi
      .spyOn(api.access, "create")
      .mockImplementationOnce(() => Promise.reject(new Unavailable("x")));
    expect((await makeToken(api)).status).toBe(503);
    expect(failing).toHaveBeenCalled();
    const second = await makeToken(api);
    expect(second.status).toBe(201);
    expect(second.headers.get("idempotency-replayed")).toBeNull();
  });

  it("is not carried out where the store of answers does not answer", async () => {
    const api = await startApi();
    const failing = vi.spyOn(api.keptAnswers, "begin");
    failing.mockImplementationOnce(() => Promise.reject(new Unavailable("x")));
    expect((await makeToken(api)).status).toBe(503);
    expect(await tokensOf(api)).toEqual([]);
  });

  it("acts once on a certificate, under the condition of then", async () => {
    const api = await startApi();
    const { json, headers } = await api.expect(201, "POST", "/v1/certificates", { body: SELF_SIGNED });
    const conditions = { ...KEYED, "if-match": headers.get("etag") ?? "" };
    const path = `/v1/certificates/${json.id}/renew`;
    const first = await api.expect(200, "POST", path, { headers: conditions });
    const second = await api.expect(200, "POST", path, { headers: conditions });
    expect(second.text).toBe(first.text);
    expect(first.json.version).toBe(2);
    expect((await api.expect(200, "GET", `/v1/certificates/${json.id}`)).json.version).toBe(2);
  });

  it("applies a batch once", async () => {
    const api = await startApi();
    const body = { items: [{ name: "example.org", put: {} }] };
    const first = await api.expect(200, "POST", "/v1/domains:batch", { headers: KEYED, body });
    const second = await api.expect(200, "POST", "/v1/domains:batch", { headers: KEYED, body });
    expect(first.json.results[0].status).toBe(201);
    expect(second.json).toEqual(first.json);
  });

  it("names what was made where the answer is too large to keep, and does not make it again", async () => {
    const api = await startApi();
    const put = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`unknown-member-${n}`, 1]));
    const items = Array.from({ length: 100 }, (_, n) => ({ name: `a${n}.example`, put }));
    const batch = { headers: { "idempotency-key": "large" }, body: { items } };
    const large = await api.expect(200, "POST", "/v1/domains:batch", batch);
    expect(large.text.length).toBeGreaterThan(128 * 1024);
    const again = await api.expect(409, "POST", "/v1/domains:batch", batch);
    expect(again.problems).toEqual(["answer-not-kept /idempotency-key"]);
  });
});

describe("an Idempotency-Key", () => {
  it.each([
    ["quoted and bare", `"${KEY}"`, KEY],
    ["quoted and bare in their characters", String.raw`"a:/+=~\"\\b"`, null],
  ])("is the same key %s", async (_, quoted, bare) => {
    const api = await startApi();
    const first = await makeToken(api, { "idempotency-key": quoted });
    expect(first.status).toBe(201);
    const second = await makeToken(api, { "idempotency-key": bare ?? quoted });
    expect(second.json.id).toBe(first.json.id);
  });

  it.each(["x", "a".repeat(255), '"a b"', "01J9ZK4", "order:17/retry=1"])("may be %j", async (key) => {
    const api = await startApi();
    expect((await makeToken(api, { "idempotency-key": key })).status).toBe(201);
  });

  it.each([
    "",
    '""',
    "a".repeat(256),
    '"a',
    'a"',
    "a b",
    "a,b",
    '"a", "b"',
    '"a";p=1',
    String.raw`"\n"`,
    "é",
  ])("is 400 as %j", async (key) => {
    const api = await startApi();
    const answer = await makeToken(api, { "idempotency-key": key });
    expect(answer.status).toBe(400);
    expect(answer.problems).toEqual(["invalid-header /idempotency-key"]);
    expect(await tokensOf(api)).toEqual([]);
  });

  it("is one caller's: the same key of another token, account or kind of caller is another key", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/accounts/other", { body: {} });
    const scopes = ["tokens:write", "domains:read"];
    const one = (await api.expect(201, "POST", "/v1/tokens", { body: { label: "1", scopes } })).json.token;
    const two = (await api.expect(201, "POST", "/v1/tokens", { body: { label: "2", scopes } })).json.token;
    const ids = new Set<unknown>();
    for (const token of [TOKEN, OTHER_TOKEN, one, two]) {
      const answer = await api.expect(201, "POST", "/v1/tokens", { headers: KEYED, body: TOKEN_BODY, token });
      ids.add(answer.json.id);
    }
    expect(ids.size).toBe(4);
  });

  it("is another key in another account that an operator acts in", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/accounts/tenant", { body: {} });
    const first = await makeToken(api);
    const second = await makeToken(api, { ...KEYED, "postern-account": "tenant" });
    expect(second.json.account).toBe("tenant");
    expect(second.json.id).not.toBe(first.json.id);
  });

  it.each([
    ["a scope less", 403, () => callerWith({ scopes: ["domains:read"] })],
    ["all that it had", 201, () => callerWith({ scopes: ["operator"] })],
  ])("answers a caller with %s by %i", async (_, status, later) => {
    let caller = callerWith({ scopes: ["operator"] });
    const api = await startApi({ authenticate: () => caller });
    await makeToken(api);
    caller = later();
    const answer = await makeToken(api);
    expect(answer.status).toBe(status);
    expect(answer.text.includes("postern_")).toBe(status === 201);
  });

  it("is 401 with a token that was revoked since", async () => {
    const api = await startApi();
    const body = { label: "1", scopes: ["tokens:write", "domains:read"] };
    const { token, id } = (await api.expect(201, "POST", "/v1/tokens", { body })).json;
    const request = { headers: KEYED, body: TOKEN_BODY, token };
    await api.expect(201, "POST", "/v1/tokens", request);
    await api.expect(204, "DELETE", `/v1/tokens/${id}`, { headers: { "if-match": "*" } });
    await api.expect(401, "POST", "/v1/tokens", request);
  });

  it("must be unguessable where it alone seals a secret", async () => {
    const api = await startApi({
      authenticate: () => ({ ...callerWith({ scopes: ["operator"] }), kind: "iam", id: "arn" }),
    });
    const short = await makeToken(api, { "idempotency-key": "order-17" });
    expect(short.status).toBe(400);
    expect(short.problems).toEqual(["invalid-header /idempotency-key"]);
    const long = await makeToken(api);
    expect(long.status).toBe(201);
    expect((await makeToken(api)).json).toEqual(long.json);
    const certificate = { headers: { "idempotency-key": "order-18" }, body: SELF_SIGNED };
    await api.expect(201, "POST", "/v1/certificates", certificate);
  });

  it("is declared by every POST that creates or acts", async () => {
    const api = await startApi();
    const document = api.app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "", version: "" } });
    const posts = declaredRoutes(api.app).filter(({ method }) => method === "post");
    expect(posts.length).toBeGreaterThan(8);
    const without = posts.filter(
      ({ path }) =>
        !JSON.stringify(document.paths?.[path]?.post?.parameters ?? []).includes("idempotency-key"),
    );
    // An evaluation writes nothing.
    expect(without.map(({ path }) => path)).toEqual(["/v1/evaluate"]);
  });
});

describe("what is stored under an Idempotency-Key", () => {
  it("shows neither the secret of the answer, nor the key, nor the request", async () => {
    const api = await startApi();
    const { token, id } = (await makeToken(api)).json;
    const rows = api.database.all("SELECT name, request, run, answer FROM kept_answer");
    expect(rows).toHaveLength(1);
    const stored = JSON.stringify(rows.map((row) => ({ ...row, answer: "" })));
    const answer = Buffer.from(rows[0]?.["answer"] as Uint8Array).toString("latin1");
    for (const secret of [token, String(token).slice(-43), id, KEY, TOKEN])
      expect(`${stored}${answer}`.includes(secret), "a secret is stored").toBe(false);
  });

  it("is 409 when it cannot be opened, and nothing is made", async () => {
    const api = await startApi();
    await makeToken(api);
    api.database.run("UPDATE kept_answer SET answer = x'02ff'");
    const answer = await makeToken(api);
    expect(answer.status).toBe(409);
    expect(answer.problems).toEqual(["answer-not-kept /idempotency-key"]);
    expect(await tokensOf(api)).toHaveLength(1);
  });
});
