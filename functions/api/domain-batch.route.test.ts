import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Store } from "../../core/store/store.ts";
import { CAPS } from "../../core/limits.ts";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";

const BATCH = "/v1/domains:batch";

interface Item {
  readonly name: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly sharedHosts?: "move";
  readonly put?: object;
  readonly patch?: object;
  readonly delete?: true;
}

interface ItemAnswer {
  readonly status: number;
  readonly etag: string | null;
  readonly problem: string | null;
  readonly errors: readonly string[];
}

/** Covers every host of the items. */
const makeCertificate = async (api: ApiUnderTest, names: readonly string[]): Promise<string> => {
  const body = { source: "self-signed", names };
  return (await api.expect(201, "POST", "/v1/certificates", { body })).json.id;
};

const batch = async (api: ApiUnderTest, items: readonly unknown[], token?: string) => {
  const options = token === undefined ? {} : { token };
  return (await api.expect(200, "POST", BATCH, { body: { items }, ...options })).json.results;
};

/** The same item as a single request, in the words of a batch. */
async function single(api: ApiUnderTest, item: Item, index: number): Promise<ItemAnswer> {
  const kind = item.put === undefined ? (item.patch === undefined ? "delete" : "patch") : "put";
  const headers = {
    ...(item.ifMatch === undefined ? {} : { "If-Match": item.ifMatch }),
    ...(item.ifNoneMatch === undefined ? {} : { "If-None-Match": item.ifNoneMatch }),
    ...(kind === "patch" ? { "content-type": "application/merge-patch+json" } : {}),
  };
  const query = item.sharedHosts === undefined ? "" : "?sharedHosts=move";
  const body = item.put ?? item.patch;
  const answer = await api.send(kind.toUpperCase(), `/v1/domains/${item.name}${query}`, {
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return {
    status: answer.status,
    etag: answer.headers.get("etag"),
    problem: answer.status < 400 ? null : answer.json.type,
    errors: answer.problems.map((each) => each.replace(" ", ` /items/${index}/${kind}`)),
  };
}

const ofBatch = (result: {
  status: number;
  etag?: string;
  problem?: { type: string; errors: { code: string; pointer: string }[] };
}): ItemAnswer => ({
  status: result.status,
  etag: result.etag ?? null,
  problem: result.problem?.type ?? null,
  errors: (result.problem?.errors ?? []).map(({ code, pointer }) => `${code} ${pointer}`),
});

/** All that is stored, and the log, without times. */
async function contents(store: Store): Promise<unknown> {
  const { domains, mxHosts, ...rest } = await store.loadAll();
  const feed = await store.changesAfter(0, 1_000);
  const all = {
    ...rest,
    domains: domains.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    mxHosts: mxHosts.toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    certificates: rest.certificates.map(({ id }) => id),
    log: feed.entries.filter((each) => each.kind === "entry" && each.entry.record.kind === "domain"),
  };
  return JSON.parse(JSON.stringify(all), (key, value: unknown) =>
    /^(?:at|createdAt|updatedAt)$/.test(key) ? "a time" : value,
  );
}

const host = fc.constantFrom("mx1.example", "mx2.example", "mx3.example");
const conditions = fc.constantFrom<Partial<Item>>(
  {},
  {},
  { ifMatch: "*" },
  { ifMatch: "*" },
  { ifMatch: '"4", "6"' },
  { ifNoneMatch: "*" },
);
const level = fc.constantFrom("none", "accept", "require");
const certificate = fc.constantFrom(null, null, "CERTIFICATE");
const settings = fc.record(
  {
    mxHosts: fc.uniqueArray(host, { maxLength: 2 }),
    tls: fc.record(
      {
        server: fc.record({ level, certificateId: certificate }, { requiredKeys: [] }),
        clientCertificate: fc.record({ mode: fc.constantFrom("none", "request", "require") }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const write = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: settings }) },
  { weight: 3, arbitrary: fc.record({ patch: settings }) },
  { weight: 2, arbitrary: fc.constant({ delete: true } as const) },
);
const someItem = fc
  .tuple(
    fc.constantFrom("a.example", "b.example", "c.example", "d.example"),
    conditions,
    write,
    fc.constantFrom<Partial<Item>>({}, {}, { sharedHosts: "move" }),
  )
  .map(
    ([name, condition, what, moves]): Item => ({
      name,
      ...condition,
      ...what,
      ...("delete" in what ? {} : moves),
    }),
  );

const served = { tls: { server: { level: "accept", certificateId: "CERTIFICATE" } } };

/** A run in which each outcome that is expected below comes up. */
const ONE_OF_EACH: Item[] = [
  { name: "a.example", put: { mxHosts: ["mx1.example"] } },
  { name: "b.example", put: { mxHosts: ["mx1.example", "mx2.example"] } },
  { name: "a.example", put: {} },
  { name: "a.example", ifMatch: "*", patch: served },
  { name: "a.example", ifMatch: "*", sharedHosts: "move", patch: served },
  { name: "a.example", ifMatch: "*", patch: served },
  { name: "b.example", ifMatch: '"3"', delete: true },
  { name: "b.example", ifMatch: '"4"', delete: true },
  { name: "c.example", ifMatch: "*", delete: true },
  { name: "c.example", ifNoneMatch: "*", patch: {} },
  { name: "c.example", put: { tls: { clientCertificate: { mode: "require" } } } },
];

const withCertificate = (item: Item, id: string): Item =>
  JSON.parse(JSON.stringify(item).replaceAll("CERTIFICATE", id));

describe("a batch of domain writes", () => {
  it("answers, stores and logs what its items do as single requests, one after the other", async () => {
    const outcomes = new Set<string>();
    const run = async (batches: readonly (readonly Item[])[]): Promise<void> => {
      const [one, other] = [await startApi(), await startApi()];
      const names = ["mx1.example", "mx2.example"];
      const ids = [await makeCertificate(one, names), await makeCertificate(other, names)] as const;
      for (const items of batches) {
        const answers = (
          await batch(
            one,
            items.map((item) => withCertificate(item, ids[0])),
          )
        ).map(ofBatch);
        const singles: ItemAnswer[] = [];
        for (const [index, item] of items.entries())
          singles.push(await single(other, withCertificate(item, ids[1]), index));
        expect(answers).toEqual(singles);
        for (const { status, problem } of answers) outcomes.add(`${status} ${problem ?? ""}`);
      }
      const found = JSON.stringify(await contents(one.store)).replaceAll(ids[0], "CERTIFICATE");
      const expected = JSON.stringify(await contents(other.store)).replaceAll(ids[1], "CERTIFICATE");
      expect(JSON.parse(found)).toEqual(JSON.parse(expected));
    };
    const batches = fc.array(fc.array(someItem, { minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(fc.asyncProperty(batches, run), { numRuns: 40, examples: [[[ONE_OF_EACH]]] });
    const met = [...outcomes].map((each) => each.replace("urn:postern:problem:", "").trim());
    expect(met).toEqual(
      expect.arrayContaining([
        "200",
        "201",
        "204",
        "404 not-found",
        "409 shared-host",
        "412 stale-revision",
        "422 rule-violation",
        "428 condition-missing",
      ]),
    );
  });

  it("points at the mistake of one item of 100, and stores the others", async () => {
    const api = await startApi();
    const items = Array.from({ length: 100 }, (_, n) => ({
      name: `d${n}.example`,
      put: { mxHosts: [`mx.d${n}.example`], tls: { server: { level: n === 57 ? "never" : "require" } } },
    }));
    const results = await batch(api, items);
    const statuses = results.map(({ status }: ItemAnswer) => status);
    expect(statuses).toEqual(items.map((_, n) => (n === 57 ? 400 : 201)));
    expect(results[57]).toMatchObject({
      name: "d57.example",
      problem: {
        type: "urn:postern:problem:invalid-request",
        errors: [{ in: "body", pointer: "/items/57/put/tls/server/level", code: "invalid-value" }],
      },
    });
    expect(results[99].etag).toBe('"99"');
    await api.expect(404, "GET", "/v1/domains/d57.example");
    expect((await api.store.changesAfter(0, 200)).entries).toHaveLength(99);
  });

  it.each<[string, unknown, string | null, readonly string[]]>([
    ["no write", { name: "a.example" }, "a.example", ["invalid-value /items/0"]],
    ["two writes", { name: "a.example", put: {}, delete: true }, "a.example", ["invalid-value /items/0"]],
    ["no name", { put: {} }, null, ["required /items/0/name"]],
    ["a name that is none", { name: "-", put: {} }, null, ["invalid-format /items/0/name"]],
    [
      "another name inside",
      { name: "a.example", put: { name: "b.example" } },
      "a.example",
      ["name-differs /items/0/put/name"],
    ],
    [
      "an unknown member",
      { name: "a.example", put: {}, etag: "1" },
      "a.example",
      ["unknown-field /items/0/etag"],
    ],
    ["delete false", { name: "a.example", delete: false }, "a.example", ["invalid-value /items/0/delete"]],
    [
      "no entity tag",
      { name: "a.example", ifMatch: "17", delete: true },
      "a.example",
      ["invalid-header /items/0/ifMatch"],
    ],
    [
      "no entity tag",
      { name: "a.example", ifNoneMatch: "17", put: {} },
      "a.example",
      ["invalid-header /items/0/ifNoneMatch"],
    ],
    [
      "a deletion that moves",
      { name: "a.example", sharedHosts: "move", ifMatch: "*", delete: true },
      "a.example",
      ["invalid-value /items/0/sharedHosts"],
    ],
    ["a number", 17, null, ["invalid-type /items/0"]],
  ])("answers an item with %s with its own 400", async (_, item, name, problems) => {
    const api = await startApi();
    const [wrong, right] = await batch(api, [item, { name: "right.example", put: {} }]);
    expect(wrong).toMatchObject({ status: 400, name });
    expect(ofBatch(wrong).errors).toEqual(problems);
    expect(right).toEqual({ name: "right.example", status: 201, etag: '"1"' });
  });

  it.each<[string, unknown]>([
    ["no items", {}],
    ["an empty list", { items: [] }],
    ["more than 100", { items: Array.from({ length: 101 }, (_, n) => ({ name: `d${n}.example`, put: {} })) }],
    ["another member", { items: [{ name: "a.example", put: {} }], atomic: true }],
  ])("is 400 as a whole with %s, and nothing is stored", async (_, body) => {
    const api = await startApi();
    await api.expect(400, "POST", BATCH, { body });
    expect(await api.store.head()).toBe(0);
  });

  it("is 413 over a megabyte, and holds 100 domains of a real size in it", async () => {
    const api = await startApi();
    const exceptions = Array.from({ length: 20 }, (_, n) => ({
      match: { clientCidr: `192.0.2.${n}/32` },
      level: "accept",
      reason: "an old server of a partner, until it is replaced in spring".repeat(2),
    }));
    const real = Array.from({ length: 100 }, (_, n) => ({
      name: `d${n}.example`,
      put: {
        mxHosts: [`mx1.d${n}.example`, `mx2.d${n}.example`],
        tls: { server: { level: "require" }, exceptions },
      },
    }));
    expect(JSON.stringify(real).length).toBeGreaterThan(CAPS.requestBytes / 3);
    for (const { status } of await batch(api, real)) expect(status).toBe(201);
    await api.expect(413, "POST", BATCH, {
      body: { items: [{ name: "a.example", put: { padding: "x".repeat(CAPS.requestBytes) } }] },
    });
  });

  it("sees in each item what the one before has left, of the same name too", async () => {
    const api = await startApi();
    const results = await batch(api, [
      { name: "a.example", put: { mxHosts: ["mx.example"] } },
      { name: "a.example", ifMatch: '"1"', patch: { tls: { enforcement: "defer" } } },
      { name: "a.example", ifMatch: '"1"', patch: { tls: { enforcement: "reject" } } },
      { name: "a.example", ifMatch: '"2"', delete: true },
      { name: "b.example", put: { mxHosts: ["mx.example"] } },
    ]);
    expect(results.map(ofBatch)).toMatchObject([
      { status: 201, etag: '"1"' },
      { status: 200, etag: '"2"' },
      { status: 412, etag: '"2"' },
      { status: 204, etag: null },
      { status: 201, etag: '"4"' },
    ]);
    expect((await api.store.getMxHosts(["mx.example" as never])).values().next().value).toMatchObject({
      domainCount: 1,
    });
  });

  it("shows nothing of another account", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", "/v1/domains/theirs.example", {
      body: { mxHosts: ["mx.theirs.example"] },
      token: OTHER_TOKEN,
    });
    const results = await batch(api, [
      { name: "theirs.example", ifMatch: "*", patch: { tls: { enforcement: "defer" } } },
      { name: "theirs.example", ifMatch: "*", delete: true },
      { name: "theirs.example", put: {} },
      { name: "absent.example", ifMatch: "*", delete: true },
    ]);
    expect(results.map(ofBatch)).toMatchObject([
      { status: 404, etag: null },
      { status: 404, etag: null },
      { status: 409, etag: null, errors: ["name-taken /items/2/name"] },
      { status: 404, etag: null },
    ]);
    const told = (index: number): string =>
      JSON.stringify(results[index]).replaceAll(/theirs|absent|[0-9a-f-]{36}/g, "x");
    expect(told(1)).toBe(told(3));
  });

  it("reads what 100 items need by a number of calls that does not grow with them", async () => {
    const callsOf = async (count: number): Promise<Record<string, number>> => {
      const api = await startApi();
      const id = await makeCertificate(api, ["*.example"]);
      const prepared = Array.from({ length: count }, (_, n) => ({
        name: `old${n}.example`,
        put: { mxHosts: [`mx.old${n}.example`] },
      }));
      await batch(api, prepared);
      const calls: Record<string, number> = {};
      for (const method of STORE_METHODS) {
        const spy = vi.spyOn(api.store, method);
        Object.defineProperty(calls, method, { enumerable: true, get: () => spy.mock.calls.length });
      }
      const items = Array.from({ length: count }, (_, n) => [
        {
          name: `new${n}.example`,
          put: { mxHosts: [`mx${n}.example`], tls: { server: { certificateId: id } } },
        },
        {
          name: `old${n}.example`,
          ifMatch: "*",
          patch: { mxHosts: [`mx.old${n}.example`, `other${n}.example`] },
        },
      ]).flat();
      for (const { status } of await batch(api, items)) expect([200, 201]).toContain(status);
      return { ...calls };
    };
    const few = await callsOf(1);
    expect(await callsOf(50)).toEqual(few);
    expect(few).toMatchObject({ commitAll: 1, commit: 0, getDomain: 0, getDomainWithHosts: 0 });
  });

  it("begins no transaction after 15 s: the items that are left are 503, and the log has their error once", async () => {
    let now = 0;
    const api = await startApi({
      retry: { now: () => now, random: () => 0, sleep: () => Promise.resolve() },
    });
    const { store } = api;
    const commitAll = store.commitAll.bind(store);
    vi.spyOn(store, "commitAll").mockImplementation(async ([first], extent) => {
      now += 8_000;
      return commitAll([first], extent);
    });
    const items = Array.from({ length: 5 }, (_, n) => ({ name: `d${n}.example`, put: {} }));
    const results = await batch(api, items);
    expect(results.map(({ status }: ItemAnswer) => status)).toEqual([201, 201, 503, 503, 503]);
    expect(await store.head()).toBe(2);
    expect(api.events.filter(({ event }) => event === "api-error")).toHaveLength(1);
  });
});

const STORE_METHODS = [
  "head",
  "commit",
  "commitAll",
  "getDomain",
  "getRecords",
  "getDomainWithHosts",
  "getCertificate",
  "getTrustStore",
  "getUnreadable",
  "getMxHosts",
  "domainsByHost",
  "domainsOnHosts",
  "firstDomainsOnHosts",
] as const satisfies readonly (keyof Store)[];
