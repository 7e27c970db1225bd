import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi, TOKEN } from "../../test/support/api.ts";
import { makeCa } from "../../test/support/pki.ts";
import { createPostern, type Postern, PosternError, type PosternOptions } from "./index.ts";

const URL_OF_API = "http://postern.example";

/** The API of the product, without a socket. */
async function started(
  options: Partial<PosternOptions> = {},
): Promise<{ api: ApiUnderTest; postern: Postern }> {
  const api = await startApi();
  const fetch: typeof globalThis.fetch = async (input, init) => api.app.fetch(new Request(input, init));
  return { api, postern: createPostern({ url: URL_OF_API, auth: { token: TOKEN }, fetch, ...options }) };
}

/** Pauses between attempts are over at once; the limit of an attempt is never reached. */
const idle = (ms: number): Promise<void> => (ms > 20_000 ? new Promise(() => undefined) : Promise.resolve());

const failureOf = async (call: Promise<unknown>): Promise<PosternError> => {
  const failure = await call.then(
    () => new Error("the call succeeded"),
    (error: unknown) => error,
  );
  if (!(failure instanceof PosternError)) throw failure;
  return failure;
};

describe("domains", () => {
  it("are created, read, changed by their revision, and deleted", async () => {
    const { postern } = await started();
    const created = await postern.domains.put("example.org", { mxHosts: ["mx1.example.org"] });
    expect(created).toMatchObject({ name: "example.org", revision: 1 });
    expect(created.etag).toBe('"1"');
    const read = await postern.domains.get("example.org");
    const replaced = await postern.domains.put(
      "example.org",
      { ...read, tls: { enforcement: "defer" } },
      { ifMatch: read },
    );
    expect(replaced.tls.enforcement).toBe("defer");
    const tls = await postern.domains.tls.get("example.org");
    expect(tls.etag).toBe(replaced.etag);
    await postern.domains.tls.patch("example.org", { enforcement: "observe" }, { ifMatch: tls });
    const { revision } = await postern.domains.get("example.org");
    await postern.domains.delete("example.org", { ifMatch: revision });
    expect((await failureOf(postern.domains.get("example.org"))).code).toBe("not-found");
  });

  it("are written in a batch, each with its own result", async () => {
    const { postern } = await started();
    const results = await postern.domains.batch([
      { name: "example.org", put: { mxHosts: ["mx1.example.org"] } },
      { name: "example.net", ifMatch: "*", delete: true },
      { name: "example.org", ifMatch: '"1"', patch: { tls: { enforcement: "defer" } } },
    ]);
    expect(results).toMatchObject([
      { name: "example.org", status: 201, etag: '"1"' },
      { name: "example.net", status: 404, problem: { type: "urn:postern:problem:not-found" } },
      { name: "example.org", status: 200, etag: '"2"' },
    ]);
    expect((await postern.domains.get("example.org")).tls.enforcement).toBe("defer");
  });

  it("carry an entity tag that spread and JSON leave out, so that an answer can be sent back", async () => {
    const { postern } = await started();
    const domain = await postern.domains.put("example.org", {});
    expect(Object.keys({ ...domain })).not.toContain("etag");
    expect(JSON.stringify(domain)).not.toContain("etag");
    await expect(postern.domains.put("example.org", domain, { ifMatch: domain })).resolves.toMatchObject({
      name: "example.org",
    });
  });

  it("are listed through every page, by item and by page", async () => {
    const { postern } = await started();
    const names = Array.from({ length: 7 }, (_, at) => `d${at}.example.org`);
    for (const name of [...names, "other.example.net"]) await postern.domains.put(name, {});
    const listed: string[] = [];
    for await (const { name } of postern.domains.list({ prefix: "d", limit: 3 })) listed.push(name);
    expect(listed).toEqual(names);
    const sizes: number[] = [];
    for await (const { items } of postern.domains.list({ limit: 3 }).pages()) sizes.push(items.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(8);
    expect(sizes.length).toBeGreaterThan(2);
  });

  it.each(["", ".", ".."])("are never called %j: such a name leads to another resource", async (name) => {
    const { api, postern } = await started();
    await expect(postern.domains.delete(name, { ifMatch: "*" })).rejects.toBeInstanceOf(TypeError);
    expect(api.events).toEqual([]);
  });

  it.each(["a/b", "a?b", "a#b", "%2e%2e"])("named %j stay in their place of the path", async (name) => {
    const { api, postern } = await started();
    expect((await failureOf(postern.domains.get(name))).code).toBe("invalid-request");
    expect(api.events).toMatchObject([{ path: `/v1/domains/${encodeURIComponent(name)}` }]);
  });
});

describe("certificates, trust stores, changes and edges", () => {
  it("are reached by their objects", async () => {
    const { postern } = await started();
    const certificate = await postern.certificates.create({
      source: "self-signed",
      names: ["mx1.example.org"],
      label: "mx1",
    });
    const { id } = certificate;
    await postern.domains.put("example.org", {
      mxHosts: ["mx1.example.org"],
      tls: { server: { level: "require", certificateId: id } },
    });
    const renamed = await postern.certificates.patch(id, { label: "first" }, { ifMatch: certificate });
    expect(await postern.certificates.chainPem(id)).toMatch(/^-----BEGIN CERTIFICATE-----\n/u);
    const next = await postern.certificates.makeNextKey(id, { ifMatch: renamed });
    const rotated = await postern.certificates.rotate(id, { ifMatch: next });
    expect((await postern.certificates.versions(id)).items).toHaveLength(2);
    await postern.certificates.rollback(id, 1, { ifMatch: rotated });
    expect((await postern.certificates.status(id)).edges.live).toEqual([]);
    expect((await failureOf(postern.certificates.delete(id, { ifMatch: "*" }))).code).toBe("in-use");

    const certificatesPem = makeCa().certificatePem;
    const partners = await postern.trustStores.create({ label: "partners", certificatesPem });
    const both = { certificatesPem: certificatesPem + makeCa().certificatePem };
    const grown = await postern.trustStores.put(partners.id, both, { ifMatch: partners });
    expect(grown.anchors).toHaveLength(2);
    await postern.trustStores.delete(partners.id, { ifMatch: grown });
    for await (const trustStore of postern.trustStores.list()) expect(trustStore).toBeNull();

    const oldest: number[] = [];
    for await (const { revision } of postern.changes.list({ limit: 2 })) oldest.push(revision);
    const newest: number[] = [];
    for await (const { revision } of postern.changes.list({ limit: 2, order: "desc" })) newest.push(revision);
    expect(oldest.length).toBeGreaterThan(4);
    expect(newest).toEqual(oldest.toReversed());
    for await (const edge of postern.edges.list()) expect(edge).toBeNull();
  });

  it("follow the change log with a wait, one request after the other", async () => {
    const { postern } = await started();
    const followed: number[] = [];
    await postern.domains.put("first.example", {});
    for await (const { revision } of postern.changes.list({ after: 0, wait: 25 })) {
      followed.push(revision);
      if (revision === 3) break;
      await postern.domains.put(`d${revision}.example`, {});
    }
    expect(followed).toEqual([1, 2, 3]);
  });

  it("revert a change, and show the one that this made", async () => {
    const { postern } = await started();
    const made = await postern.domains.put("first.example", {});
    await postern.domains.patch("first.example", { labels: { team: "mail" } }, { ifMatch: made });
    expect(await postern.changes.revert(2)).toMatchObject({ revision: 3, action: "update" });
    await expect(postern.changes.revert(2)).rejects.toMatchObject({ code: "changed-since", status: 409 });
    expect(await postern.changes.revert(2, { ifMatch: "*" })).toBeNull();
    expect((await postern.domains.get("first.example")).labels).toEqual({});
  });
});

describe("access", () => {
  it("shows who calls, and manages tokens, accounts and principals", async () => {
    const { postern } = await started();
    expect(await postern.whoami()).toMatchObject({ account: "default", scopes: ["operator"] });
    const account = await postern.accounts.put("acme", { label: "Acme" });
    await postern.accounts.put("acme", { ...account, label: "Acme Inc." }, { ifMatch: account });
    const token = await postern.tokens.create({ label: "ci", scopes: ["domains:read"] });
    expect(await postern.tokens.get(token.id)).not.toHaveProperty("token");
    await postern.tokens.delete(token.id, { ifMatch: token });
    const arn = "arn:aws:iam::123456789012:role/deploy";
    const principal = await postern.principals.put(arn, { account: "acme", scopes: ["domains:write"] });
    expect(await postern.principals.get(arn)).toEqual(principal);
    await postern.principals.delete(arn, { ifMatch: principal });
    const names: string[] = [];
    for await (const { name } of postern.accounts.list()) names.push(name);
    expect(names).toContain("acme");
    for await (const left of postern.principals.list()) expect(left).toBeNull();
  });

  it("acts in another account for an operator", async () => {
    const { api, postern } = await started();
    await postern.accounts.put("acme", {});
    const fetch: typeof globalThis.fetch = async (input, init) => api.app.fetch(new Request(input, init));
    const acme = createPostern({ url: URL_OF_API, auth: { token: TOKEN }, fetch, account: "acme" });
    expect((await acme.domains.put("acme.example", {})).account).toBe("acme");
    expect((await failureOf(postern.domains.get("acme.example"))).code).toBe("not-found");
  });

  it("asks what an edge would reply", async () => {
    const { postern } = await started();
    await postern.domains.put("example.org", { tls: { server: { level: "require" } } });
    const answer = await postern.evaluate({
      clientAddress: "192.0.2.1",
      mailFrom: "a@sender.example",
      rcptTo: "b@example.org",
    });
    expect(answer).toMatchObject({ verdict: "reject", reason: "tls-required" });
  });
});

describe("a problem", () => {
  it("is an error with code, place, id of the request and the present entity tag", async () => {
    const { api, postern } = await started();
    await postern.domains.put("example.org", {});
    const stale = await failureOf(postern.domains.patch("example.org", {}, { ifMatch: 9 }));
    expect(stale).toMatchObject({
      code: "stale-revision",
      status: 412,
      etag: '"1"',
      attempts: 1,
      errors: [],
    });
    expect(stale.requestId).toBe(
      Object.entries(api.events.at(-1) ?? {}).find(([name]) => name === "requestId")?.[1],
    );
    const body = { tls: { enforcement: "never" } } as never;
    const invalid = await failureOf(postern.domains.put("example.org", body, { ifMatch: 1 }));
    expect(invalid.code).toBe("invalid-request");
    expect(invalid.message).toMatch(/^400 invalid-request: ./u);
    expect(invalid.errors).toMatchObject([{ in: "body", pointer: "/tls/enforcement" }]);
  });

  it.each([
    ["API Gateway", Response.json({ message: "Forbidden" }, { status: 403 }), "403 unrecognized: Forbidden"],
    [
      "a proxy",
      new Response("<h1>Bad gateway</h1>", { status: 502 }),
      "502 unrecognized: <h1>Bad gateway</h1>",
    ],
    [
      "a redirect",
      new Response(null, { status: 302, headers: { location: "/login" } }),
      "302 unrecognized: no details",
    ],
    [
      "a later release",
      Response.json(
        { type: "urn:postern:problem:moved-away", detail: "d", requestId: "r", errors: [] },
        { status: 409 },
      ),
      "409 unrecognized: d",
    ],
    [
      "a broken answer",
      new Response("{", { headers: { "content-type": "application/json" } }),
      "200 unrecognized: the answer is not a JSON object of the API: it has the type application/json",
    ],
    [
      "the page of a captive portal",
      new Response("<h1>Log in</h1>", { headers: { "content-type": "text/html" } }),
      "200 unrecognized: the answer is not a JSON object of the API: it has the type text/html",
    ],
    [
      "an answer without a body",
      new Response(null, { headers: { "content-type": "application/json" } }),
      "200 unrecognized: the answer is not a JSON object of the API: it has the type application/json",
    ],
    [
      "an answer that is no object",
      Response.json(null),
      "200 unrecognized: the answer is not a JSON object of the API: it has the type application/json",
    ],
  ])("from %s is `unrecognized`", async (_title, answer, message) => {
    const { postern } = await started({ fetch: async () => answer });
    expect((await failureOf(postern.domains.get("example.org"))).message).toBe(message);
  });

  it.each<[what: string, call: (postern: Postern) => Promise<unknown>]>([
    ["whoami", (postern) => postern.whoami()],
    ["a list", (postern) => postern.domains.list().pages()[Symbol.asyncIterator]().next()],
    ["a deletion", (postern) => postern.domains.delete("example.org", { ifMatch: 1 })],
    ["a chain", (postern) => postern.certificates.chainPem("cert_1")],
    ["a signing request", (postern) => postern.certificates.csrPem("cert_1")],
    ["a batch", (postern) => postern.domains.batch([])],
  ])("is what %s meets where a captive portal answers 200 with its page", async (_what, call) => {
    const headers = { "content-type": "text/html" };
    const fetch = async () => new Response("<h1>Log in</h1>", { headers });
    const { postern } = await started({ fetch });
    expect(await failureOf(call(postern))).toMatchObject({ code: "unrecognized", status: 200 });
  });

  it("has no mistakes that another program's answer gives in another form", async () => {
    const problem = { type: "urn:postern:problem:invalid-request", detail: "d", requestId: "r" };
    const fetch = async () => Response.json({ ...problem, errors: [null, 5, {}] }, { status: 400 });
    const { postern } = await started({ fetch });
    expect((await failureOf(postern.domains.get("example.org"))).errors).toEqual([]);
  });
});

describe("createPostern", () => {
  it.each([
    "",
    "postern.example",
    "ftp://postern.example",
    "http://u:p@postern.example",
    "http://h/?a=b",
    "http://h/#a",
  ])("rejects the URL %j", (url) => {
    expect(() => createPostern({ url, auth: { token: "t" } })).toThrow(TypeError);
  });

  it.each(["", " ", "secret\nword", "secret\u0001", "secret wörd", "secret word"])(
    "rejects the token %j without showing it",
    async (token) => {
      const message = "token must be one word of printable ASCII";
      expect(() => createPostern({ url: URL_OF_API, auth: { token } })).toThrow(new TypeError(message));
      const later = createPostern({ url: URL_OF_API, auth: { token: () => token } });
      await expect(later.whoami()).rejects.toThrow(new TypeError(message));
    },
  );

  it("takes a token with the newline of its file", async () => {
    const { postern } = await started({ auth: { token: `${TOKEN}\n` } });
    expect(await postern.whoami()).toMatchObject({ account: "default" });
  });

  it("rejects an idempotency key without showing it", async () => {
    const { postern } = await started();
    const call = postern.tokens.create({ label: "x", scopes: [] }, { idempotencyKey: "secret\nkey" });
    await expect(call).rejects.toThrow(new TypeError("idempotencyKey must be printable ASCII"));
  });

  it("keeps the path of its URL, as a stage of API Gateway has one", async () => {
    const urls: string[] = [];
    const fetch: typeof globalThis.fetch = async (input) => {
      urls.push(input instanceof Request ? input.url : String(input));
      return Response.json({ items: [], nextCursor: null });
    };
    for (const url of ["https://api.example/prod", "https://api.example/prod//"]) {
      const postern = createPostern({ url, auth: { token: "t" }, fetch });
      for await (const edge of postern.edges.list()) expect(edge).toBeNull();
    }
    expect(urls).toEqual(["https://api.example/prod/v1/edges", "https://api.example/prod/v1/edges"]);
  });
});

describe("a call whose answer is lost", () => {
  it("is carried out once, and has the answer, with the token that is shown once", async () => {
    const api = await startApi();
    const answers: Response[] = [];
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const answer = await api.app.fetch(new Request(input, init));
      answers.push(answer.clone());
      if (answers.length === 1) throw new TypeError("fetch failed");
      return answer;
    };
    const effects = { now: Date.now, random: () => 0, sleep: idle };
    const postern = createPostern({ url: URL_OF_API, auth: { token: TOKEN }, fetch, effects });
    const made = await postern.tokens.create({ label: "deploy", scopes: ["domains:read"] });
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(made).toEqual(await answers[0]?.json());
    expect((await api.expect(200, "GET", "/v1/tokens")).json.items).toHaveLength(1);
  });

  it("can be made again with the key of before", async () => {
    const { api, postern } = await started();
    const options = { idempotencyKey: "8e03978e-40d5-43e8-bc93-6894a57f9324" };
    const token = { label: "deploy", scopes: ["domains:read"] } as const;
    const { id } = await postern.tokens.create({ ...token, scopes: [...token.scopes] }, options);
    expect((await postern.tokens.create({ ...token, scopes: [...token.scopes] }, options)).id).toBe(id);
    expect((await api.expect(200, "GET", "/v1/tokens")).json.items).toHaveLength(1);
  });
});
