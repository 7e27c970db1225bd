import { describe, expect, it } from "vitest";
import { CAPS } from "../../core/limits.ts";
import type { EdgeId } from "../../core/name/ids.ts";
import { type ApiUnderTest, OTHER_TOKEN, startApi, TOKEN } from "../../test/support/api.ts";
import { steppedTime } from "../../test/support/stepped-time.ts";

const DOMAIN = "/v1/domains/example.com";
const STATUS = `${DOMAIN}/status`;

async function report(api: ApiUnderTest, id: EdgeId, revision: number | null, parts = {}): Promise<void> {
  await api.edgeReports.report({
    id,
    release: "0.1.0",
    listeners: [],
    revision,
    certificates: [],
    certificateProblems: [],
    unreadable: [],
    stale: false,
    chainVerifier: true,
    omitted: 0,
    ...parts,
  });
}

async function started() {
  const time = steppedTime();
  const api = await startApi({ wait: time.effects });
  await api.expect(201, "PUT", DOMAIN, { body: {} });
  await api.expect(200, "PATCH", DOMAIN, {
    body: { tls: { enforcement: "defer" } },
    headers: { "If-Match": "*" },
  });
  return { api, time, edges: [api.ids.edge(), api.ids.edge()] as const };
}

const get = async (api: ApiUnderTest, query: string) =>
  (await api.expect(200, "GET", `${STATUS}?${query}`)).json;

describe("a status with waitFor", () => {
  it("answers at once where every live edge is at the revision", async () => {
    const { api, time, edges } = await started();
    for (const id of edges) await report(api, id, 2);
    expect(await get(api, "waitFor=2&timeout=25")).toMatchObject({ applied: true, lagging: [] });
    expect(await get(api, "waitFor=1")).toMatchObject({ applied: true, lagging: [] });
    expect(time.pauses).toEqual([]);
    expect(Object.keys(await get(api, ""))).not.toContain("applied");
  });

  it("answers as soon as the last edge reports, and looks twice a second at most", async () => {
    const { api, time, edges } = await started();
    const [first, second] = edges;
    await report(api, first, 2);
    await report(api, second, 1);
    time.onSleep = async (pause) => {
      if (pause === 3) await report(api, second, 2);
    };
    expect(await get(api, "waitFor=2&timeout=25")).toMatchObject({
      applied: true,
      lagging: [],
      edges: { atRevision: 2 },
    });
    expect(time.pauses).toEqual([500, 500, 500]);
  });

  it("is not applied at the timeout, and names the edges that lag until they are lost", async () => {
    const { api, time, edges } = await started();
    const [first, second] = edges;
    await report(api, first, 1);
    api.advance(25_000);
    await report(api, second, 2);
    expect(await get(api, "waitFor=2&timeout=3")).toMatchObject({ applied: false, lagging: [first] });
    expect(time.elapsedMs()).toBe(3_000);
    api.advance(6_000);
    expect(await get(api, "waitFor=2&timeout=3")).toMatchObject({
      applied: true,
      lagging: [],
      edges: { lost: [{ id: first }] },
    });
  });

  it("is never applied without a live edge", async () => {
    const { api, time, edges } = await started();
    expect(await get(api, "waitFor=2&timeout=1")).toMatchObject({ applied: false, lagging: [] });
    await report(api, edges[0], 2);
    api.advance(31_000);
    expect(await get(api, "waitFor=2")).toMatchObject({
      applied: false,
      lagging: [],
      edges: { live: [] },
    });
    expect(time.elapsedMs()).toBe(11_000);
  });

  it("counts an edge that never had settings, or cannot read what the domain needs, as lagging", async () => {
    const { api, edges } = await started();
    const [first, second] = edges;
    const unreadable = [{ kind: "domain", id: "example.com", problem: "x" }];
    await report(api, first, null);
    await report(api, second, 9, { unreadable });
    const { applied, lagging } = await get(api, "waitFor=2&timeout=1");
    expect(applied).toBe(false);
    expect(lagging.toSorted()).toEqual([first, second].toSorted());
    await report(api, first, 2);
    await report(api, second, 9, { unreadable: [{ ...unreadable[0], id: "other.example" }] });
    expect(await get(api, "waitFor=2&timeout=1")).toMatchObject({ applied: true });
  });

  it("refuses a revision that has not been reached, and bounds that are none", async () => {
    const { api } = await started();
    const { problems, json } = await api.expect(422, "GET", `${STATUS}?waitFor=3`);
    expect(problems).toEqual(["unknown-revision /waitFor"]);
    expect(json.errors[0].message).toContain("the newest is 2");
    for (const query of ["waitFor=2&timeout=0", "waitFor=2&timeout=26", "waitFor=2&timeout=1.5", "waitFor=x"])
      await api.expect(400, "GET", `${STATUS}?${query}`);
    const withoutRevision = await api.expect(422, "GET", `${STATUS}?timeout=5`);
    expect(withoutRevision.problems).toEqual(["timeout-without-revision /timeout"]);
  });

  it("does not wait for another account's domain, nor for one that cannot be read", async () => {
    const { api, time } = await started();
    await api.expect(404, "GET", `${STATUS}?waitFor=2`, { token: OTHER_TOKEN });
    await api.expect(404, "GET", "/v1/domains/absent.example/status?waitFor=2");
    api.database.run("UPDATE domain SET record = '{'");
    expect(await get(api, "waitFor=2")).toMatchObject({ revision: null, applied: false });
    expect(time.pauses).toEqual([]);
  });

  it("waits for a certificate until no edge presents an older version of it", async () => {
    const { api, time, edges } = await started();
    const body = { source: "self-signed", names: ["mx.example.com"] };
    const { json: made } = await api.expect(201, "POST", "/v1/certificates", { body });
    const renewed = await api.expect(200, "POST", `/v1/certificates/${made.id}/renew`, {
      headers: { "If-Match": "*" },
    });
    const { revision, keys } = renewed.json;
    const presents = (version: number) => ({
      certificates: [
        {
          certificateId: made.id,
          version,
          fingerprintsSha256: keys.map(
            ({ fingerprintSha256 }: { fingerprintSha256: string }) => fingerprintSha256,
          ),
          notAfter: made.notAfter,
          problem: null,
        },
      ],
    });
    await report(api, edges[0], revision, presents(1));
    const path = `/v1/certificates/${made.id}/status?waitFor=${revision}&timeout=1`;
    expect((await api.expect(200, "GET", path)).json).toMatchObject({ applied: false, lagging: [edges[0]] });
    time.onSleep = () => report(api, edges[0], revision, presents(2));
    expect((await api.expect(200, "GET", path)).json).toMatchObject({ applied: true, lagging: [] });
  });
});

describe("requests that wait", () => {
  it("are bounded: one more of a caller is 503 with Retry-After, and others still wait", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let nowMs = 0;
    let asleep = 0;
    const api = await startApi({
      wait: {
        now: () => nowMs,
        sleep: async () => {
          asleep += 1;
          await promise;
          nowMs += 60_000;
        },
      },
    });
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const waiting = Array.from({ length: CAPS.waitsOfCaller }, () => get(api, "waitFor=1"));
    await expect.poll(async () => (await api.send("GET", `${STATUS}?waitFor=1`)).status).toBe(503);
    const { headers, json } = await api.expect(503, "GET", `${STATUS}?waitFor=1`);
    expect(headers.get("retry-after")).toBe("5");
    expect(json.detail).toContain("16 requests of this caller wait");
    await get(api, "");
    const other = api.expect(200, "GET", "/v1/changes?after=1&wait=25", { token: OTHER_TOKEN });
    await expect.poll(() => asleep).toBe(CAPS.waitsOfCaller + 1);
    resolve();
    await other;
    for (const { applied } of await Promise.all(waiting)) expect(applied).toBe(false);
    expect(await get(api, "waitFor=1")).toMatchObject({ applied: false });
  });

  it("end when their client has closed", async () => {
    const api = await startApi();
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const client = new AbortController();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = api.app.request(
      `${STATUS}?waitFor=1&timeout=25`,
      { headers },
      { clientClosed: client.signal },
    );
    client.abort();
    expect(await (await answer).json()).toMatchObject({ applied: false });
  });

  it("end when the process does", async () => {
    const ending = new AbortController();
    const api = await startApi({ ending: ending.signal });
    await api.expect(201, "PUT", DOMAIN, { body: {} });
    const answer = get(api, "waitFor=1&timeout=25");
    ending.abort();
    expect(await answer).toMatchObject({ applied: false });
  });
});
