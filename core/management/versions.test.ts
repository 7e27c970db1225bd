import { describe, expect, it } from "vitest";
import { certificateRecord } from "../../test/support/records.ts";
import { timestamp } from "../clock.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { isKept, timelineOf, withRetiredVersion, withVersion } from "./versions.ts";

const START = Date.parse("2026-01-01T00:00:00.000Z");
const RETIRED_SHOWN = 30;
const RETIRED_KEPT_MS = 30 * 24 * 3600 * 1000;
const names = ["mx.example.com"];
const sha256 = (version: number): string => version.toString(16).padStart(64, "0");
const keysOf = (version: number): CertificateRecord["keys"] => [
  {
    keyType: "ecdsa-p256",
    fingerprintSha256: sha256(version),
    spkiPin: `sha256//${String(version)}`,
    notBefore: timestamp(START),
    notAfter: timestamp(START + 90 * 24 * 3600 * 1000),
  },
];

/** The record after versions 1 to `count`, one an hour. */
function after(count: number): CertificateRecord {
  let record = certificateRecord({
    source: "self-signed",
    createdAt: timestamp(START),
    material: null,
    keys: [],
    names,
  });
  for (let version = 1; version <= count; version++) {
    const material = { version, sha256: sha256(version) };
    const nowMs = START + version * 3600_000;
    const cause = version === 1 ? "created" : "renewed";
    record = {
      ...record,
      ...withVersion(record, { material, keys: keysOf(version), names }, { nowMs, cause }),
    };
  }
  return record;
}

const numbers = ({ retired = [] }: Pick<CertificateRecord, "retired">): readonly number[] =>
  retired.map(({ version }) => version);

describe("versions", () => {
  it("begin without a retired one", () => {
    expect(after(1)).toMatchObject({ material: { version: 1, cause: "created" } });
    expect(after(1).retired).toBeUndefined();
  });

  it("are retired the latest first, with when, why and their keys", () => {
    const { material, retired = [] } = after(3);
    expect(material).toMatchObject({
      version: 3,
      cause: "renewed",
      addedAt: timestamp(START + 3 * 3600_000),
    });
    expect(retired).toMatchObject([
      { version: 2, retiredBy: "replaced", retiredAt: timestamp(START + 3 * 3600_000), keys: keysOf(2) },
      { version: 1, retiredBy: "replaced", retiredAt: timestamp(START + 2 * 3600_000), keys: keysOf(1) },
    ]);
  });

  it(`are listed to the ${RETIRED_SHOWN} last`, () => {
    const shown = numbers(after(RETIRED_SHOWN + 5));
    expect(shown).toHaveLength(RETIRED_SHOWN);
    expect(shown.at(-1)).toBe(5);
  });

  it("retired by a release that did not note their source come back with that of the record", () => {
    const [to] = after(2).retired ?? [];
    if (to === undefined) throw new TypeError("version 1 is not listed");
    const { source: _source, plan: _plan, ...old } = to;
    const uploaded = { ...after(2), source: "pem" as const };
    expect(withRetiredVersion(uploaded, old, { nowMs: START, names }).source).toBe("pem");
    expect(withRetiredVersion(uploaded, to, { nowMs: START, names }).source).toBe("self-signed");
  });

  it("change places by a rollback, and none is lost", () => {
    const before = after(RETIRED_SHOWN + 1);
    const to = before.retired?.find(({ version }) => version === 7);
    if (to === undefined) throw new TypeError("version 7 is not listed");
    const back = withRetiredVersion(before, to, { nowMs: START, names: ["other.example"] });
    expect(back.material).toEqual({ version: 7, sha256: sha256(7), addedAt: to.addedAt, cause: "renewed" });
    expect([back.keys, back.names]).toEqual([keysOf(7), ["other.example"]]);
    expect(back.retired?.[0]).toMatchObject({ version: RETIRED_SHOWN + 1, retiredBy: "rolled-back" });
    const all = Array.from({ length: RETIRED_SHOWN + 1 }, (_, index) => index + 1);
    expect(numbers(back).toSorted((a, b) => a - b)).toEqual(all.filter((version) => version !== 7));
  });

  it("are kept for 30 days after they were retired, to the millisecond", () => {
    const [last] = after(2).retired ?? [];
    if (last === undefined) throw new TypeError("there is no retired version");
    const endsAt = Date.parse(last.retiredAt) + RETIRED_KEPT_MS;
    expect([isKept(last, endsAt - 1), isKept(last, endsAt)]).toEqual([true, false]);
  });
});

describe("the timeline", () => {
  it("is in order of time, with what comes next at its end", () => {
    const record = after(3);
    const timeline = timelineOf(
      {
        ...record,
        attempt: {
          failures: 1,
          at: timestamp(START + 5 * 3600_000),
          nextAt: timestamp(START + 6 * 3600_000),
          problem: "no answer",
        },
      },
      record.keys[0]?.notAfter ?? null,
    );
    expect(
      timeline.map(({ event, version }) => (version === undefined ? event : `${event} ${version}`)),
    ).toEqual([
      "created",
      "version-added 1",
      "version-added 2",
      "version-retired 1",
      "version-added 3",
      "version-retired 2",
      "attempt-failed",
      "next-attempt",
      "renews",
      "expires",
    ]);
    const times = timeline.map(({ at }) => at);
    expect(times).toEqual(times.toSorted());
  });

  it("is bounded, however many versions there were", () => {
    const bound = 2 * RETIRED_SHOWN + 4;
    expect(timelineOf(after(100), timestamp(START)).length).toBe(bound);
  });

  it("leaves out what an earlier release did not note", () => {
    const material = { version: 1, sha256: sha256(1) };
    const record = certificateRecord({ source: "pem", material, keys: keysOf(1) });
    const events = timelineOf(record, null).map(({ event }) => event);
    expect(events).toEqual(["created"]);
  });
});
