import { describe, expect, it, vi } from "vitest";
import { domainPage } from "../../core/management/domain-page.ts";
import type { Store } from "../../core/store/store.ts";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { makeCa } from "../../test/support/pki.ts";
import { domainRecord } from "../../test/support/records.ts";

const HERE = { "If-Match": "*" };
const { certificatePem: certificatesPem } = makeCa();

/** A record of each kind with these labels, and the request that changes it. */
const KINDS = [
  {
    kind: "domain",
    list: "/v1/domains",
    change: "PATCH",
    create: async (api: ApiUnderTest, labels?: object, n = 1): Promise<string> => {
      const path = `/v1/domains/d${n}.example`;
      await api.expect(201, "PUT", path, { body: { labels } });
      return path;
    },
    body: (labels: object | null) => ({ labels }),
  },
  {
    kind: "certificate",
    list: "/v1/certificates",
    change: "PATCH",
    create: async (api: ApiUnderTest, labels?: object): Promise<string> => {
      const body = { source: "self-signed", names: ["mx.example"], labels };
      return `/v1/certificates/${(await api.expect(201, "POST", "/v1/certificates", { body })).json.id}`;
    },
    body: (labels: object | null) => ({ labels }),
  },
  {
    kind: "trust store",
    list: "/v1/trust-stores",
    change: "PUT",
    create: async (api: ApiUnderTest, labels?: object): Promise<string> => {
      const body = { certificatesPem, labels };
      return `/v1/trust-stores/${(await api.expect(201, "POST", "/v1/trust-stores", { body })).json.id}`;
    },
    body: (labels: object | null) => ({ certificatesPem, labels }),
  },
] as const;

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`l${index}`, ""]));

describe.each(KINDS)("labels of a $kind", ({ list, change, create, body }) => {
  it("are none where a request has none", async () => {
    const api = await startApi();
    expect((await api.expect(200, "GET", await create(api))).json.labels).toEqual({});
  });

  it("are shown by the record, its list and the change log, and are replaced", async () => {
    const api = await startApi();
    const labels = { team: "mail", "managed-by": "postern.yaml", empty: "" };
    const path = await create(api, labels);
    const { json: created } = await api.expect(200, "GET", path);
    expect(created.labels).toEqual(labels);
    const other = { ...labels, team: "web" };
    const { json: changed } = await api.expect(200, change, path, { body: body(other), headers: HERE });
    expect(changed).toMatchObject({ labels: other, revision: created.revision + 1 });
    expect((await api.expect(200, "GET", list)).json.items).toMatchObject([{ labels: other }]);
    const { json: log } = await api.expect(200, "GET", "/v1/changes");
    expect(log.items).toMatchObject([
      { before: null, after: { labels } },
      { before: { labels }, after: { labels: other } },
    ]);
  });

  it("change nothing when they stay the same, in any order", async () => {
    const api = await startApi();
    const path = await create(api, { a: "1", b: "2" });
    const { json: before } = await api.expect(200, "GET", path);
    const options = { body: body({ b: "2", a: "1" }), headers: HERE };
    const { json: after } = await api.expect(200, change, path, options);
    expect(after.revision).toBe(before.revision);
  });

  it.each([
    [{ Team: "a" }, "invalid-format", "/labels/Team"],
    [{ "": "a" }, "invalid-format", "/labels/"],
    [{ [`a${"b".repeat(40)}`]: "a" }, "invalid-format", `/labels/a${"b".repeat(40)}`],
    [{ a_b: "a" }, "invalid-format", "/labels/a_b"],
    [{ a: "b".repeat(201) }, "too-big", "/labels/a"],
    [{ a: "line\nbreak" }, "invalid-format", "/labels/a"],
    [{ a: "\u202egnp" }, "invalid-format", "/labels/a"],
    [{ a: "-----BEGIN PRIVATE KEY-----" }, "invalid-format", "/labels/a"],
    [{ a: 1 }, "invalid-type", "/labels/a"],
    [{ a: { b: "c" } }, "invalid-type", "/labels/a"],
    [["a"], "invalid-type", "/labels"],
    [many(21), "too-big", "/labels"],
    [JSON.parse('{"__proto__":"a"}'), "unknown-field", "/labels/__proto__"],
  ])("are refused with 400 and their pointer: %j", async (labels, code, pointer) => {
    const api = await startApi();
    const path = await create(api);
    const { json } = await api.expect(400, change, path, { body: body(labels), headers: HERE });
    expect(json.errors).toMatchObject([{ in: "body", pointer, code }]);
    expect((await api.expect(200, "GET", path)).json.labels).toEqual({});
  });

  it("may be 20, with names of 40 and values of 200 characters", async () => {
    const api = await startApi();
    const labels = { ...many(18), ["a".repeat(40)]: "é".repeat(200), constructor: "x" };
    expect((await api.expect(200, "GET", await create(api, labels))).json.labels).toEqual(labels);
  });

  it("do not show another account's records", async () => {
    const api = await startApi();
    await create(api, { team: "mail" });
    const { json } = await api.expect(200, "GET", `${list}?label=team`, { token: OTHER_TOKEN });
    expect(json).toMatchObject({ items: [], nextCursor: null });
  });
});

describe("a patch of labels", () => {
  it.each(KINDS.filter(({ change }) => change === "PATCH"))(
    "adds, changes and removes single ones, and null removes all: $kind",
    async ({ create }) => {
      const api = await startApi();
      const path = await create(api, { a: "1", b: "2", c: "3" });
      const patched = async (labels: object | null) =>
        (await api.expect(200, "PATCH", path, { body: { labels }, headers: HERE })).json.labels;
      expect(await patched({ a: null, b: "4", d: "5" })).toEqual({ b: "4", c: "3", d: "5" });
      expect(await patched(null)).toEqual({});
    },
  );

  it("counts what it leaves, not what it names", async () => {
    const api = await startApi();
    const [{ create }] = KINDS;
    const path = await create(api, many(20));
    const options = { body: { labels: { more: "1" } }, headers: HERE };
    const { json } = await api.expect(400, "PATCH", path, options);
    expect(json.errors).toMatchObject([{ pointer: "/labels", code: "too-big" }]);
    const swapped = { body: { labels: { more: "1", l0: null } }, headers: HERE };
    expect(Object.keys((await api.expect(200, "PATCH", path, swapped)).json.labels)).toHaveLength(20);
  });

  it("leaves the version of a certificate", async () => {
    const api = await startApi();
    const [, { create }] = KINDS;
    const path = await create(api);
    const { json: before } = await api.expect(200, "GET", path);
    const options = { body: { labels: { team: "mail" } }, headers: HERE };
    const { json: after } = await api.expect(200, "PATCH", path, options);
    expect(after).toMatchObject({ version: 1, keys: before.keys, timeline: before.timeline });
  });

  it("stays with a trust store when an earlier content comes back", async () => {
    const api = await startApi();
    const [, , { create }] = KINDS;
    const path = await create(api, { team: "mail" });
    const { json: first } = await api.expect(200, "GET", path);
    const body = { certificatesPem: makeCa().certificatePem, labels: { team: "web" } };
    await api.expect(200, "PUT", path, { body, headers: HERE });
    const restore = { body: { revision: first.revision }, headers: HERE };
    expect((await api.expect(200, "POST", `${path}/restore`, restore)).json.labels).toEqual({ team: "web" });
  });
});

describe("a list by labels", () => {
  const LABELS = [{ team: "mail" }, { team: "mail", env: "test" }, { team: "web", env: "" }, {}];
  const labelled = async (): Promise<ApiUnderTest> => {
    const api = await startApi();
    for (const { create } of KINDS) for (const [n, labels] of LABELS.entries()) await create(api, labels, n);
    return api;
  };

  it.each([
    ["label=team", [0, 1, 2]],
    ["label=team=mail", [0, 1]],
    ["label=team=mail&label=env", [1]],
    ["label=env=", [2]],
    ["label=env=test&label=env=test", [1]],
    ["label=te", []],
    ["label=team=mai", []],
    ["label=constructor", []],
  ] as const)("has the records with all of them: ?%s", async (query, expected) => {
    const api = await labelled();
    for (const { list } of KINDS) {
      const { json } = await api.expect(200, "GET", `${list}?${query}`);
      expect(json.items.map(({ labels }: { labels: object }) => labels)).toEqual(
        expected.map((n) => LABELS[n]),
      );
    }
  });

  it("is paged, with cursors of this filter alone", async () => {
    const api = await labelled();
    for (const { list } of KINDS) {
      const { json: first } = await api.expect(200, "GET", `${list}?label=team&limit=2`);
      expect(first.items).toHaveLength(2);
      const { json: second } = await api.expect(
        200,
        "GET",
        `${list}?label=team&limit=2&cursor=${first.nextCursor}`,
      );
      expect(second).toMatchObject({ items: [{ labels: { team: "web" } }], nextCursor: null });
      const { json } = await api.expect(400, "GET", `${list}?label=env&cursor=${first.nextCursor}`);
      expect(json.errors).toMatchObject([{ code: "invalid-cursor" }]);
    }
  });

  it("ends a page early rather than look at more than 1,000 records, and goes on behind it", async () => {
    const looked: number[] = [];
    const records = Array.from({ length: 1_200 }, (_, n) =>
      domainRecord({ name: `d${String(n).padStart(4, "0")}.example`, labels: n === 1_100 ? { a: "" } : {} }),
    );
    const listDomains: Store["listDomains"] = async (_, { limit, after = "" }) => {
      looked.push(limit);
      const items = records.filter(({ name }) => name > after).slice(0, limit);
      const next = items.length === limit ? (items.at(-1)?.name ?? null) : null;
      return { items, unreadable: [], next };
    };
    const store = {
      listDomains,
      getMxHosts: vi.fn<Store["getMxHosts"]>(),
      useCount: vi.fn<Store["useCount"]>(),
    };
    const filter = { account: "default", labels: [{ name: "a" }] };
    const first = await domainPage(store, filter, { limit: 50 });
    expect(first).toEqual({ items: [], unreadable: [], next: "d0999.example" });
    expect(looked).toHaveLength(20);
    const second = await domainPage(store, filter, { limit: 50, after: first.next ?? "" });
    expect(second).toMatchObject({ items: [{ name: "d1100.example" }], next: null });
  });

  it.each(["label=", "label=Team", "label=a%0A", "label=a=%07", `label=a=${"b".repeat(201)}`])(
    "refuses what is no label: ?%s",
    async (query) => {
      const api = await startApi();
      const { json } = await api.expect(400, "GET", `/v1/domains?${query}`);
      expect(json.errors).toMatchObject([{ in: "query", pointer: "/label/0", code: "invalid-format" }]);
    },
  );
});
