import { describe, expect, it } from "vitest";
import { certificateId, certificateRecord, name } from "../../test/support/records.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import { certificateState, expiryOf } from "./expiry.ts";

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

describe("the state of a certificate", () => {
  it.each([
    ["pem", 6, 5, "expiring"],
    ["request", 47, 31, "active"],
    ["request", 47, 30, "expiring"],
    ["self-signed", 365, 31, "active"],
    ["self-signed", 365, 30, "expiring"],
    ["acme", 90, 31, "active"],
    ["acme", 6, 3, "active"],
    ["acme", 6, 2, "expiring"],
    ["acme", 6, 0, "expired"],
  ] as const)(
    "of source %s, with a life of %i days of which %i are left, is %s",
    (source, life, left, state) => {
      const notAfter = new Date(NOW + left * DAY_MS).toISOString();
      const notBefore = new Date(NOW + (left - life) * DAY_MS).toISOString();
      const { keys } = certificateRecord({});
      const record = { source, keys: keys.map((key) => ({ ...key, notBefore, notAfter })) };
      expect(certificateState(record, NOW)).toBe(state);
    },
  );
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

  it.each([30, 14, 7, 1, 0])("is reported when %i days are left, once, whatever else has expired", (days) => {
    const HOUR_MS = 3_600_000;
    const HALF_HOUR_MS = HOUR_MS / 2;
    const forgotten = certificate(1, -40);
    const end = NOW + 40 * DAY_MS;
    const other = certificate(2, 40);
    const reachedAt = Array.from(
      { length: 42 * 24 },
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

  const failing = (failures: number): Partial<CertificateRecord> => ({
    attempt: {
      failures,
      at: "2026-11-24T11:00:00.000Z",
      nextAt: "2026-11-24T13:00:00.000Z",
      problem: "the CA does not answer",
    },
  });
  const acm = (parts: object): Partial<CertificateRecord> => ({
    source: "acm",
    acm: { arn: "arn", status: "issued", validation: [], problem: null, ...parts },
  });
  it.each<[string, Partial<CertificateRecord>, boolean]>([
    ["uploaded as PEM", { source: "pem" }, true],
    ["uploaded as PKCS #12", { source: "pkcs12" }, true],
    ["requested", { source: "request" }, true],
    ["self-signed", { source: "self-signed" }, false],
    ["of an ACME CA", { source: "acme" }, false],
    ["of an ACME CA that failed once", { source: "acme", ...failing(1) }, false],
    ["of an ACME CA that failed twice", { source: "acme", ...failing(2) }, true],
    ["self-signed, whose renewal failed twice", { source: "self-signed", ...failing(2) }, true],
    ["of ACM", acm({}), false],
    ["of ACM with a problem", acm({ problem: "no DNS record" }), true],
    ["of ACM that failed", acm({ status: "failed" }), true],
  ])("is reported only where the operator has to act: %s", (_, parts, isReported) => {
    for (const days of [30, 14, 7, 1]) {
      const record = { ...certificate(1, days - 0.01), ...parts };
      const found = expiryOf({ certificates: [record], mxHosts: [host("a.example", 1)] }, NOW);
      expect([found.reached, found.expiring.length]).toEqual(isReported ? [1, 1] : [0, 0]);
      // The metric has the days of any certificate.
      expect(found.soonestDays).toBe(days - 1);
    }
    const over = { ...certificate(1, -0.01), ...parts };
    const found = expiryOf({ certificates: [over], mxHosts: [host("a.example", 1)] }, NOW);
    expect([found.expired, found.expiring.length]).toEqual([1, 1]);
  });

  it("is unknown where none is in use", () => {
    expect(expiryOf({ certificates: [certificate(1, 5)], mxHosts: [] }, NOW)).toMatchObject({
      soonestDays: null,
      expiring: [],
    });
  });
});
