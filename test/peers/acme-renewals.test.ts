import { afterAll, expect, it } from "vitest";
import type { ChallengeRecords } from "../../core/management/challenge-records.ts";
import { startIssuance } from "../support/issuance.ts";
import { endEverything } from "../support/peers/endings.ts";
import { describeWith } from "../support/peers/needs.ts";
import { startPebble } from "../support/peers/pebble.ts";

/** Issuance by the schedule against Pebble: 6-day certificates, renewed by a clock that is the test's. */

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const ANY = { headers: { "if-match": "*" } };

describeWith(["pebble"])("the schedule with Pebble", () => {
  afterAll(endEverything);

  it("renews 30 times in a row with the key kept, then rotates once, while good nonces are rejected", async () => {
    const { client, answers } = await startPebble({ environment: { PEBBLE_WFE_NONCEREJECT: "10" } });
    const ca = client();
    const records: ChallengeRecords = {
      publishes: () => true,
      put: async (name, values) => answers.putTxt(name, values),
      delete: async () => undefined,
    };
    const under = await startIssuance();
    const cas = { names: ["test"], ca: () => ca };
    // Pebble works in real time: it is asked again at once, until a minute is over.
    const retry = { now: () => performance.now(), random: () => 0.5, sleep: async () => undefined };
    const issuance = under.open({ cas, records, retry });
    const names = ["mx.pebble.example", "*.pebble.example"];
    const id = await under.create({ names, profile: "shortlived" });
    expect(await issuance.advance(id)).toBe("issued");
    const first = await under.show(id);
    expect(Date.parse(first.notAfter) - Date.parse(first.notBefore)).toBeLessThan(7 * DAY_MS);
    // Pebble signs by the real clock, so this clock stands where each of its certificates is due, and valid;
    // each is served for an hour at least.
    under.api.advance(4 * DAY_MS + 6 * HOUR_MS);
    for (let renewal = 1; renewal <= 30; renewal += 1) {
      under.api.advance(HOUR_MS + 60_000);
      expect(await issuance.advance(id)).toBe("issued");
      const shown = await under.show(id);
      expect(shown).toMatchObject({ version: renewal + 1, lastError: null });
      expect(shown.keys[0].spkiPin).toBe(first.keys[0].spkiPin);
      expect(shown.keys[0].fingerprintSha256).not.toBe(first.keys[0].fingerprintSha256);
    }
    const announced = await under.api.expect(200, "POST", `/v1/certificates/${id}/next-key`, ANY);
    await under.api.expect(200, "POST", `/v1/certificates/${id}/rotate`, ANY);
    expect(await issuance.advance(id)).toBe("issued");
    const rotated = await under.show(id);
    expect(rotated.keys[0].spkiPin).toBe(announced.json.nextKeys[0].spkiPin);
    expect(rotated.keys[0].spkiPin).not.toBe(first.keys[0].spkiPin);
  });
});
