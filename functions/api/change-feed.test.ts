import { applyPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import { type ApiUnderTest, OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { steppedTime } from "../../test/support/stepped-time.ts";

const HERE = { headers: { "If-Match": "*" } };

const create = (api: ApiUnderTest, name: string, options = {}) =>
  api.expect(201, "PUT", `/v1/domains/${name}.example`, { body: {}, ...options });

async function page(api: ApiUnderTest, query: string) {
  const { json } = await api.expect(200, "GET", `/v1/changes?${query}`);
  const revisions: number[] = json.items.map(({ revision }: { revision: number }) => revision);
  return { revisions, next: json.nextCursor as string | null };
}

describe("the difference of a change", () => {
  it("turns before into after, for records of every kind, and has no PEM", async () => {
    const api = await startApi();
    const { json: made } = await api.expect(201, "POST", "/v1/certificates", {
      body: { source: "self-signed", names: ["mx.a.example"] },
    });
    const { text: pem } = await api.expect(200, "GET", `/v1/certificates/${made.id}/chain.pem`);
    const { json: store } = await api.expect(201, "POST", "/v1/trust-stores", {
      body: { certificatesPem: pem },
    });
    await create(api, "a");
    const patch = (path: string, body: object) => api.expect(200, "PATCH", path, { body, ...HERE });
    await patch("/v1/domains/a.example", { tls: { enforcement: "defer" }, labels: { team: "mail" } });
    await patch(`/v1/certificates/${made.id}`, { label: "x" });
    await api.expect(200, "PUT", `/v1/trust-stores/${store.id}`, {
      body: { certificatesPem: pem, label: "y" },
      ...HERE,
    });
    await api.expect(200, "POST", `/v1/certificates/${made.id}/renew`, HERE);
    await api.expect(204, "DELETE", "/v1/domains/a.example", HERE);
    const { json, text } = await api.expect(200, "GET", "/v1/changes");
    expect(json.items).toHaveLength(8);
    for (const { before, after, diff } of json.items) {
      const holder = { document: structuredClone(before) };
      for (const each of diff) each.path = `/document${each.path}`;
      expect(applyPatch(holder, diff).filter((error) => error !== null)).toEqual([]);
      expect(holder.document).toEqual(after);
    }
    expect(json.items[3].diff.map(({ op, path }: { op: string; path: string }) => [op, path])).toEqual(
      expect.arrayContaining([
        ["replace", "/document/tls/enforcement"],
        ["add", "/document/labels/team"],
      ]),
    );
    expect(text).not.toContain("-----BEGIN");
  });
});

describe("filters of the change log", () => {
  it("select by caller and by time, together with the others", async () => {
    const api = await startApi();
    const atStart = new Date(api.clock.now()).toISOString();
    await create(api, "a");
    api.advance(60_000);
    await create(api, "b");
    const { json } = await api.expect(200, "GET", "/v1/changes");
    const [, second] = json.items.map(({ at }: { at: string }) => at);
    expect(await page(api, "actor=tester")).toEqual({ revisions: [1, 2], next: null });
    expect(await page(api, "actor=stranger")).toEqual({ revisions: [], next: null });
    expect(await page(api, `from=${second}`)).toEqual({ revisions: [2], next: null });
    expect(await page(api, `to=${second}`)).toEqual({ revisions: [1], next: null });
    expect(await page(api, `from=${atStart}&to=${second}&order=desc`)).toMatchObject({ revisions: [1] });
    expect(await page(api, `from=${second}&resource=domain/a.example`)).toEqual({
      revisions: [],
      next: null,
    });
    for (const query of ["from=2026-02-30T00:00:00Z", "to=yesterday", "actor="])
      await api.expect(400, "GET", `/v1/changes?${query}`);
  });
});

describe("the change log as NDJSON", () => {
  const accept = (value: string) => ({ headers: { Accept: value } });
  const NDJSON = "application/x-ndjson";
  type Line = { readonly revision: number; readonly kind: string };
  const linesOf = (text: string): Line[] => {
    expect(text === "" || text.endsWith("\n")).toBe(true);
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  };
  const revisions = (text: string) => linesOf(text).map(({ revision }) => revision);

  /** 250 changes of one domain. */
  async function manyChanges(): Promise<ApiUnderTest> {
    const api = await startApi();
    for (let from = 0; from < 250; from += 50) {
      const items = Array.from({ length: 50 }, (_, n) => ({
        name: "a.example",
        ...(from + n === 0 ? {} : { ifMatch: "*" }),
        put: { labels: { n: String(from + n) } },
      }));
      await api.expect(200, "POST", "/v1/domains:batch", { body: { items } });
    }
    return api;
  }

  it("has every entry on a line, as the JSON shows it, whatever the size of a page", async () => {
    const api = await manyChanges();
    const all = await api.expect(200, "GET", "/v1/changes", accept(NDJSON));
    expect(all.headers.get("content-type")).toBe(NDJSON);
    expect(all.headers.get("vary")).toBe("Accept");
    expect(all.headers.get("link")).toBeNull();
    const lines = linesOf(all.text);
    expect(lines.map(({ revision }) => revision)).toEqual(Array.from({ length: 250 }, (_, n) => n + 1));
    const { json } = await api.expect(200, "GET", "/v1/changes?after=100&limit=50");
    expect(lines.slice(100, 150)).toEqual(json.items);
    const newest = await api.expect(200, "GET", "/v1/changes?order=desc&after=10", accept(NDJSON));
    expect(revisions(newest.text)).toEqual(Array.from({ length: 240 }, (_, n) => 250 - n));
  });

  it("is one page with limit, and Link leads to the next with the same filter", async () => {
    const api = await manyChanges();
    const first = await api.expect(200, "GET", "/v1/changes?limit=3&actor=tester", accept(NDJSON));
    expect(revisions(first.text)).toEqual([1, 2, 3]);
    expect(first.headers.get("link")).toBe('</v1/changes?limit=3&actor=tester&after=3>; rel="next"');
    const back = await api.expect(200, "GET", "/v1/changes?limit=3&order=desc", accept(NDJSON));
    expect(back.headers.get("link")).toBe('</v1/changes?limit=3&order=desc&before=248>; rel="next"');
  });

  it("ends below the bytes that an answer may have, and Link leads on", async () => {
    const api = await startApi();
    const allowed = Array.from(
      { length: 100 },
      (_, n) => `${"a".repeat(60)}.${"b".repeat(60)}.n${n}.example`,
    );
    const named = (list: string[]) => ({
      tls: { clientCertificate: { names: { match: "list", allowed: list } } },
    });
    for (let round = 0; round < 3; round += 1) {
      const items = Array.from({ length: 60 }, (_, n) => ({
        name: "a.example",
        ...(round + n === 0 ? {} : { ifMatch: "*" }),
        put: named(allowed.slice(n % 2)),
      }));
      await api.expect(200, "POST", "/v1/domains:batch", { body: { items } });
    }
    const seen: number[] = [];
    let path: string | undefined = "/v1/changes";
    let answers = 0;
    while (path !== undefined) {
      const { text, headers } = await api.expect(200, "GET", path, accept(NDJSON));
      seen.push(...revisions(text));
      expect(Buffer.byteLength(text)).toBeLessThan(5_000_000);
      path = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
      answers += 1;
    }
    expect(answers).toBeGreaterThan(1);
    expect(seen).toEqual(Array.from({ length: await api.store.head() }, (_, n) => n + 1));
  });

  it("shows an entry that cannot be read in its place", async () => {
    const api = await startApi();
    for (const name of ["a", "b", "c"]) await create(api, name);
    api.database.run("UPDATE log SET entry = '{' WHERE revision = 2");
    const { text } = await api.expect(200, "GET", "/v1/changes", accept(NDJSON));
    expect(linesOf(text).map(({ revision, kind }) => [revision, kind])).toEqual([
      [1, "domain"],
      [2, "unreadable"],
      [3, "domain"],
    ]);
    expect(linesOf(text)[1]).toMatchObject({ item: { kind: "log-entry" }, problem: expect.any(String) });
  });

  it("shows an entry whose account cannot be read to the operator alone", async () => {
    const api = await startApi();
    await create(api, "a");
    api.database.run("UPDATE log SET entry = json_set(entry, '$.account', 5)");
    const { json } = await api.expect(200, "GET", "/v1/changes");
    expect(json.unreadable).toMatchObject([{ revision: 1 }]);
    const other = await api.expect(200, "GET", "/v1/changes", { token: OTHER_TOKEN });
    expect(other.json).toMatchObject({ items: [], unreadable: [] });
  });

  it("waits as JSON does, and shows no entry of another account", async () => {
    const time = steppedTime();
    const api = await startApi({ wait: time.effects });
    time.onSleep = async (pause) => {
      if (pause === 1) await create(api, "theirs", { token: OTHER_TOKEN });
      if (pause === 2) await create(api, "b");
    };
    const { text, headers } = await api.expect(200, "GET", "/v1/changes?after=0&wait=9", accept(NDJSON));
    expect(revisions(text)).toEqual([2]);
    expect(headers.get("link")).toBe('</v1/changes?after=2&wait=9>; rel="next"');
  });

  it.each([
    ["*/*", "application/json"],
    ["application/json, application/x-ndjson;q=0.5", "application/json"],
    ["text/html", "application/json"],
    ["application/x-ndjson;q=0.9, application/json;q=0.1", NDJSON],
    ["Application/X-NDJSON", NDJSON],
  ])("is chosen by Accept: %s gives %s", async (value, type) => {
    const api = await startApi();
    const { headers } = await api.expect(200, "GET", "/v1/changes", accept(value));
    expect(headers.get("content-type")).toBe(type);
  });
});

describe("a change log with wait", () => {
  it("answers at once where there is an entry, and otherwise with the next one", async () => {
    const time = steppedTime();
    const api = await startApi({ wait: time.effects });
    await create(api, "a");
    expect(await page(api, "after=0&wait=25")).toEqual({ revisions: [1], next: "1" });
    expect(time.pauses).toEqual([]);
    time.onSleep = async (pause) => {
      if (pause === 2) await create(api, "b");
    };
    expect(await page(api, "after=1&wait=25")).toEqual({ revisions: [2], next: "2" });
    expect(time.pauses).toEqual([500, 500]);
  });

  it("is empty when the time is up, and does not wait with wait=0", async () => {
    const time = steppedTime();
    const api = await startApi({ wait: time.effects });
    await create(api, "a");
    expect(await page(api, "after=1&wait=3")).toEqual({ revisions: [], next: "1" });
    expect(time.elapsedMs()).toBe(3_000);
    expect(await page(api, "after=1&wait=0")).toEqual({ revisions: [], next: "1" });
    expect(time.elapsedMs()).toBe(3_000);
  });

  it("waits on behind entries that are filtered or another account's, and goes on after them", async () => {
    const time = steppedTime();
    const api = await startApi({ wait: time.effects });
    time.onSleep = async (pause) => {
      if (pause === 1) await create(api, "theirs", { token: OTHER_TOKEN });
      if (pause === 2) await create(api, "b");
    };
    expect(await page(api, "after=0&wait=2&resource=domain/a.example")).toEqual({ revisions: [], next: "2" });
    expect(time.elapsedMs()).toBe(2_000);
    time.onSleep = async () => void (await create(api, "a"));
    expect(await page(api, "after=2&wait=2&resource=domain/a.example")).toEqual({
      revisions: [3],
      next: "3",
    });
  });

  it("does not end at an entry of another account", async () => {
    const time = steppedTime();
    const api = await startApi({ wait: time.effects });
    time.onSleep = async (pause) => {
      if (pause === 1) await create(api, "theirs", { token: OTHER_TOKEN });
    };
    expect(await page(api, "after=0&wait=1")).toEqual({ revisions: [], next: "1" });
    expect(time.elapsedMs()).toBe(1_000);
  });

  it("needs a place to wait at, and a number of seconds that is allowed", async () => {
    const api = await startApi();
    await create(api, "a");
    for (const query of ["wait=1", "wait=1&after=1&order=desc", "wait=1&after=1&before=3"])
      expect((await api.expect(422, "GET", `/v1/changes?${query}`)).problems).toEqual([
        "wait-without-after /wait",
      ]);
    for (const wait of ["-1", "26", "1.5", "x"])
      await api.expect(400, "GET", `/v1/changes?after=1&wait=${wait}`);
    api.database.run("DELETE FROM log");
    await api.expect(410, "GET", "/v1/changes?after=0&wait=25");
  });
});
