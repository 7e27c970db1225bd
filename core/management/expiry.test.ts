import { describe, expect, it } from "vitest";
import { certificateId, certificateRecord, name } from "../../test/support/records.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { expiryOf } from "./expiry.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const DAY_MS = 24 * 3600 * 1000;

function certificate(n: number, daysLeft: number): CertificateRecord {
  const base = certificateRecord({ id: certificateId(n) });
  const notAfter = new Date(NOW + daysLeft * DAY_MS).toISOString();
  return { ...base, keys: base.keys.map((key) => ({ ...key, notAfter })) };
}
const host = (text: string, n: number | null) => ({
  host: name(text),
  account: "default",
  certificateId: n === null ? null : certificateId(n),
  domainCount: 1,
});

describe("the expiry of certificates", () => {
  it("is that of the first to expire on a host; one that no host serves does not count", () => {
    const found = expiryOf(
      {
        certificates: [
          certificate(1, 400),
          certificate(2, 20.5),
          certificate(3, -1.5),
          certificate(4, 5),
          certificate(5, -9),
        ],
        mxHosts: [
          host("a.example", 1),
          host("b.example", 2),
          host("c.example", 2),
          host("d.example", 3),
          host("e.example", null),
        ],
      },
      NOW,
    );
    expect(found).toEqual({
      states: { pending: 0, active: 1, expiring: 2, expired: 2, failed: 0 },
      soonestDays: -2,
      expired: 1,
      reached: 0,
      expiring: [
        { id: certificateId(3), account: "default", state: "expired", daysLeft: -2, hosts: 1 },
        { id: certificateId(2), account: "default", state: "expiring", daysLeft: 20, hosts: 2 },
      ],
    });
  });

  it.each([14, 7, 3, 1, 0])("is reported when %i days are left, once, whatever else has expired", (days) => {
    const HOUR_MS = 3_600_000;
    const HALF_HOUR_MS = HOUR_MS / 2;
    const forgotten = certificate(1, -40);
    const end = NOW + 20 * DAY_MS;
    const other = certificate(2, 20);
    const reachedAt = Array.from(
      { length: 22 * 24 },
      (_, hour) => NOW + hour * HOUR_MS + HALF_HOUR_MS,
    ).filter(
      (nowMs) =>
        expiryOf(
          {
            certificates: [forgotten, other],
            mxHosts: [host("a.example", 1), host("b.example", 2)],
          },
          nowMs,
        ).reached > 0,
    );
    expect(reachedAt).toHaveLength(5);
    expect(reachedAt).toContainEqual(end - days * DAY_MS + HALF_HOUR_MS);
  });

  it("is unknown where none is in use", () => {
    expect(expiryOf({ certificates: [certificate(1, 5)], mxHosts: [] }, NOW)).toMatchObject({
      soonestDays: null,
      expiring: [],
    });
  });
});
