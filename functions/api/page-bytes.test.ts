import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CAPS } from "../../core/limits.ts";
import { type ApiUnderTest, startApi } from "../../test/support/api.ts";
import { makeCa } from "../../test/support/pki.ts";
import { pageWithinBytes } from "./page-bytes.ts";

const bytesOf = (items: readonly unknown[]): number => Buffer.byteLength(JSON.stringify(items));

describe("pages within the bytes of an answer", () => {
  const records = fc.uniqueArray(
    fc.record({
      id: fc.stringMatching(/^[a-z]{1,4}$/),
      text: fc.string({ maxLength: 60 }),
      isBad: fc.boolean(),
    }),
    { selector: ({ id }) => id, maxLength: 30 },
  );

  it("have each record once, in order, whatever the sizes and the limit", () => {
    fc.assert(
      fc.property(
        records,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 300 }),
        (all, limit, most) => {
          const stored = all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
          const seen: string[] = [];
          let after: string | null = "";
          for (let pages = 0; after !== null; pages += 1) {
            expect(pages).toBeLessThanOrEqual(stored.length);
            const from: string = after;
            const rows = stored.filter(({ id }) => id > from);
            const [read, rest] = [rows.slice(0, limit), rows.slice(limit)];
            const page = pageWithinBytes(
              {
                items: read.filter(({ isBad }) => !isBad),
                unreadable: read.filter(({ isBad }) => isBad),
                next: rest.length > 0 ? (read.at(-1)?.id ?? null) : null,
              },
              ({ id }) => id,
              most,
            );
            expect(page.items.length <= 1 || bytesOf(page.items) <= most + 1).toBe(true);
            seen.push(...[...page.items, ...page.unreadable].map(({ id }) => id).toSorted());
            after = page.next;
          }
          expect(seen).toEqual(stored.map(({ id }) => id));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

/** 200 records like the one with this id, as large as they may be, with one of them damaged. */
function multiply(api: ApiUnderTest, table: string, { id, key, from, to }: Copied): string[] {
  const ids = Array.from({ length: 199 }, (_, n) => id.replace(from, to(n)));
  for (const [n, copy] of ids.entries()) {
    const text = n === 70 ? "'{'" : `json_set(record, '$.${key}', ?1)`;
    const sql = `INSERT INTO ${table} (id, account, revision, record)
                 SELECT ?1, account, revision, ${text} FROM ${table} WHERE id = ?2`;
    api.database.run(sql, copy, id);
  }
  return [...ids, id].toSorted();
}

interface Copied {
  readonly id: string;
  readonly key: string;
  readonly from: RegExp;
  readonly to: (n: number) => string;
}

const long = (n: number): string => `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.n${n}.example`;
const hundred = Array.from({ length: 100 }, (_, n) => long(n));
const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ofId = (id: string): Copied => ({
  id,
  key: "id",
  from: /...$/,
  to: (n) =>
    `${id.at(-3) === "0" ? "1" : "0"}${CROCKFORD[Math.floor(n / 32)] ?? ""}${CROCKFORD[n % 32] ?? ""}`,
});

describe("a list of records that are large", () => {
  const KINDS = {
    domains: async (api: ApiUnderTest) => {
      const tls = { clientCertificate: { names: { match: "list", allowed: hundred } } };
      await api.expect(201, "PUT", "/v1/domains/a.example", { body: { tls } });
      return multiply(api, "domain", {
        id: "a.example",
        key: "name",
        from: /^a/,
        to: (n) => `b${String(n).padStart(3, "0")}`,
      });
    },
    certificates: async (api: ApiUnderTest) => {
      const body = { source: "self-signed", names: ["mx.example"] };
      const { id } = (await api.expect(201, "POST", "/v1/certificates", { body })).json;
      const sql = "UPDATE certificate SET record = json_set(record, '$.names', json(?))";
      api.database.run(sql, JSON.stringify([...hundred, ...hundred]));
      return multiply(api, "certificate", ofId(id));
    },
    "trust-stores": async (api: ApiUnderTest) => {
      const body = { certificatesPem: makeCa().certificatePem };
      const { id, anchors } = (await api.expect(201, "POST", "/v1/trust-stores", { body })).json;
      const many = Array.from({ length: 100 }, (_, n) => ({ ...anchors[0], subject: `CN=${long(n)}` }));
      const sql = "UPDATE trust_store SET record = json_set(record, '$.anchors', json(?))";
      api.database.run(sql, JSON.stringify(many));
      return multiply(api, "trust_store", ofId(id));
    },
  };

  it.each(Object.entries(KINDS))("has no page over the cap, and leaves none out: %s", async (kind, make) => {
    const api = await startApi();
    const ids = await make(api);
    const seen: string[] = [];
    let cursor = "";
    let pages = 0;
    do {
      const { json, text } = await api.expect(200, "GET", `/v1/${kind}?limit=200${cursor}`);
      expect(bytesOf(json.items)).toBeLessThanOrEqual(CAPS.pageBytes + 1);
      expect(Buffer.byteLength(text)).toBeLessThan(5_000_000);
      type Item = { readonly id?: string; readonly name?: string };
      seen.push(
        ...[...json.items, ...json.unreadable].map(({ id, name }: Item) => id ?? name ?? "").toSorted(),
      );
      cursor = json.nextCursor === null ? "" : `&cursor=${String(json.nextCursor)}`;
      pages += 1;
    } while (cursor !== "");
    expect(pages).toBeGreaterThan(1);
    expect(seen).toEqual(ids);
  });
});

describe("pages of the change log", () => {
  it.each(["asc", "desc"])("end below the cap and go on without a loss, in the order %s", async (order) => {
    const api = await startApi();
    const named = (allowed: string[]) => ({
      tls: { clientCertificate: { names: { match: "list", allowed } } },
    });
    for (const first of [true, false, false, false]) {
      const items = Array.from({ length: 36 }, (_, n) => ({
        name: "a.example",
        ...(first && n === 0 ? {} : { ifMatch: "*" }),
        put: named(hundred.slice(n % 2)),
      }));
      await api.expect(200, "POST", "/v1/domains:batch", { body: { items } });
    }
    api.database.run("UPDATE log SET entry = '{' WHERE revision IN (1, 60, 61, 144)");
    const edge = order === "asc" ? "after" : "before";
    const seen: number[] = [];
    let from = "";
    let pages = 0;
    do {
      const { json, text } = await api.expect(200, "GET", `/v1/changes?limit=200&order=${order}${from}`);
      expect(Buffer.byteLength(text)).toBeLessThan(4_100_000);
      const found = [...json.items, ...json.unreadable].map((each: { revision: number }) => each.revision);
      seen.push(...found.toSorted((a, b) => (order === "asc" ? a - b : b - a)));
      from = json.nextCursor === null ? "" : `&${edge}=${String(json.nextCursor)}`;
      pages += 1;
    } while (from !== "");
    expect(pages).toBeGreaterThan(1);
    const all = Array.from({ length: 144 }, (_, n) => n + 1);
    expect(seen).toEqual(order === "asc" ? all : all.toReversed());
  });
});
