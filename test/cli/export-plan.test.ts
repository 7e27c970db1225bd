import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ApiUnderTest, startApi } from "../support/api.ts";
import { cliOn, sendTo } from "./cli-on-api.ts";
import { holds } from "../support/holds.ts";
import { fillStore, randomStore } from "./random-store.ts";

const STORES = 200;
const COPIES = 25;

/** Whether domains name different certificates for one MX host, as `?sharedHosts=move` may leave them. */
async function hasDisputedHost(api: ApiUnderTest): Promise<boolean> {
  const { json } = await api.expect(200, "GET", "/v1/domains");
  const named = new Map<string, Set<string | null>>();
  for (const { mxHosts, tls } of json.items)
    for (const host of mxHosts)
      named.set(host, new Set([...(named.get(host) ?? []), tls.server.certificateId]));
  return [...named.values()].some(({ size }) => size > 1);
}

describe("export", () => {
  it(`is the inverse of plan: export | plan - is empty for ${STORES} random stores`, async () => {
    let records = 0;
    await holds(
      fc.asyncProperty(randomStore, async (store) => {
        const api = await startApi();
        records += await fillStore(api, store);
        const exported = await cliOn(sendTo(api))("export");
        expect(exported.exitCode).toBe(0);
        expect(exported.stdout).not.toContain("PRIVATE KEY");
        const planned = await cliOn(sendTo(api), { stdin: exported.stdout })("plan", "-");
        const lines = planned.stdout.split("\n").slice(0, -2);
        const isOfApi = (line: string): boolean => /^warning: |^ {4}and \d+ more of this code$/u.test(line);
        expect({ ...planned, stdout: lines.filter((line) => !isOfApi(line)) }).toEqual({
          exitCode: 0,
          stdout: [],
          stderr: "",
        });
      }),
      { numRuns: STORES },
    );
    // Otherwise the rules of the API refuse what the generator makes.
    expect(records).toBeGreaterThan(STORES * 3);
  });

  it("makes the same records in an empty store, or says why not, and a second apply writes nothing", async () => {
    await holds(
      fc.asyncProperty(randomStore, async (store) => {
        const [api, copy] = [await startApi(), await startApi()];
        // Keys are never exported, so an upload cannot be made again.
        const certificates = store.certificates.filter(({ source }) => source !== "pem");
        await fillStore(api, {
          ...store,
          certificates: certificates.map((each, nth) => ({ ...each, label: `c${nth}` })),
          trustStores: store.trustStores.map((each, nth) => ({ ...each, label: `t${nth}` })),
        });
        const isDisputed = await hasDisputedHost(api);
        const { stdout: stdin, stderr } = await cliOn(sendTo(api), {})("export");
        expect(stderr.includes("refuses this file")).toBe(isDisputed);
        const cli = cliOn(sendTo(copy), { stdin });
        const first = await cli("apply", "-", "--no-wait");
        expect(first).toMatchObject(
          isDisputed
            ? {
                exitCode: 1,
                stdout: "",
                stderr: expect.stringMatching(/ {2}stdin:\d+:3 {2}.*names another one/u),
              }
            : { exitCode: 0, stderr: "" },
        );
        const head = await copy.store.head();
        expect(await cli("apply", "-", "--no-wait")).toMatchObject(
          isDisputed ? first : { exitCode: 0, stdout: "Nothing to apply.\n" },
        );
        expect(await copy.store.head()).toBe(isDisputed ? 0 : head);
      }),
      { numRuns: COPIES },
    );
  });
});
