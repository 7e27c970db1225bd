import { describe, expect, it } from "vitest";
import { Unavailable } from "../../core/errors.ts";
import { parseDomainName } from "../../core/name/domain-name.ts";
import { FollowedSettings } from "../../core/snapshot/followed-settings.ts";
import { OTHER_TOKEN, startApi } from "../../test/support/api.ts";
import { UNUSED_OWNERSHIP } from "../../test/support/unused-ownership.ts";
import { runSweep } from "./sweeps.ts";

/** Checks of pending names by the schedule, on the embedded store. */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

async function start() {
  const records = new Map<string, string[]>();
  const asked: string[] = [];
  let isDown = false;
  const readTxt = async (name: string): Promise<readonly string[]> => {
    asked.push(name);
    if (isDown) throw new Unavailable("no resolver answers");
    return records.get(name) ?? [];
  };
  const api = await startApi({ readTxt });
  const lines: Readonly<Record<string, unknown>>[] = [];
  const { store, clock, issuanceState } = api;
  const ownership = { ...UNUSED_OWNERSHIP, store, clock, issuanceState, readTxt };
  const retry = { now: () => performance.now(), random: Math.random, sleep: async () => undefined };
  const sweep = (mayGoOn = () => true) =>
    runSweep("ownership", {
      store,
      backups: null,
      vault: {
        async *writtenBefore() {},
        delete: async () => true,
      },
      acm: null,
      issuance: { advance: async () => "unchanged" },
      ownership: { ...ownership, retry },
      mayGoOn,
      now: clock.now,
      log: (event, fields) => lines.push({ event, ...fields }),
    });
  const put = async (name: string) =>
    (await api.expect(201, "PUT", `/v1/domains/${name}`, { body: {}, token: OTHER_TOKEN })).json;
  const read = async (name: string) =>
    (await api.expect(200, "GET", `/v1/domains/${name}`, { token: OTHER_TOKEN })).json;
  const isServed = async (name: string) =>
    (await new FollowedSettings(store).current()).domain(parseDomainName(name)) !== undefined;
  return {
    api,
    records,
    asked,
    lines,
    sweep,
    put,
    read,
    isServed,
    setDown: (down: boolean) => {
      isDown = down;
    },
  };
}

describe("the sweep of pending names", () => {
  it("serves a domain once its TXT record is there, as a change by the schedule", async () => {
    const { api, records, sweep, put, isServed, lines } = await start();
    const { ownership } = await put("a.example");
    await put("b.example");
    await sweep();
    expect(await isServed("a.example")).toBe(false);
    records.set(ownership.record, [ownership.value]);
    api.advance(6 * MINUTE_MS);
    await sweep();
    expect([await isServed("a.example"), await isServed("b.example")]).toEqual([true, false]);
    expect(lines.at(-1)).toEqual({
      event: "ownership-swept",
      verified: 1,
      pending: 1,
      gone: 0,
      failed: 0,
      left: 0,
    });
    const changes = await api.expect(200, "GET", "/v1/changes?order=desc", { token: OTHER_TOKEN });
    expect(changes.json.items[0]).toMatchObject({
      actor: "schedule",
      resource: { kind: "domain", id: "a.example" },
    });
  });

  it("looks up a name at growing pauses, and after 7 days no more", async () => {
    const { api, asked, sweep, put } = await start();
    await put("a.example");
    const lookups = [];
    for (let days = 0; days < 8; days += 1) {
      for (let minutes = 0; minutes < 24 * 60; minutes += 60) {
        await sweep();
        api.advance(60 * MINUTE_MS);
      }
      lookups.push(asked.splice(0).length);
    }
    expect(lookups[0]).toBeGreaterThan(10);
    expect(lookups[6]).toBeGreaterThanOrEqual(3);
    expect(lookups[6]).toBeLessThanOrEqual(5);
    expect(lookups[7]).toBe(0);
  });

  it("leaves the name pending while DNS is down, and shows that and the next check", async () => {
    const { api, records, sweep, put, read, isServed, setDown } = await start();
    const { ownership } = await put("a.example");
    records.set(ownership.record, [ownership.value]);
    setDown(true);
    await sweep();
    const { lastCheck } = (await read("a.example")).ownership;
    expect(lastCheck.result).toBe("unavailable");
    expect(Date.parse(lastCheck.nextAt) - Date.parse(lastCheck.at)).toBe(5 * MINUTE_MS);
    expect(await isServed("a.example")).toBe(false);
    setDown(false);
    api.advance(6 * MINUTE_MS);
    await sweep();
    expect(await isServed("a.example")).toBe(true);
  });

  it("stops in time, and begins with what was left the next time", async () => {
    const { asked, sweep, put, lines } = await start();
    for (let n = 0; n < 10; n += 1) await put(`d${n}.example`);
    let groups = 0;
    await sweep(() => (groups += 1) === 1);
    expect([asked.length, lines.at(-1)]).toEqual([8, expect.objectContaining({ pending: 8, left: 2 })]);
    await sweep();
    expect(asked.slice(8).toSorted()).toEqual(["_postern.d8.example", "_postern.d9.example"]);
  });

  it("does nothing with a domain that was deleted or given to another account meanwhile", async () => {
    const { api, asked, records, sweep, put, isServed } = await start();
    const { ownership } = await put("a.example");
    records.set(ownership.record, [ownership.value]);
    const headers = { "If-Match": "*" };
    await api.expect(204, "DELETE", "/v1/domains/a.example", { headers, token: OTHER_TOKEN });
    await sweep();
    expect([asked, await isServed("a.example")]).toEqual([[], false]);
    api.advance(DAY_MS);
    await sweep();
    expect(asked).toEqual([]);
  });
});
