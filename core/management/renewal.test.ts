import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { certificateRecord } from "../../test/support/records.ts";
import { timestamp } from "../clock.ts";
import type { CertificateRecord } from "../record/certificate.ts";
import type { CertificateKey } from "../x509/key-type.ts";
import { dueKeys, failedAttempt, mayTry, planOf, renewedBy, renewsAt, tlsaOf } from "./renewal.ts";

const HOUR_MS = 3600 * 1000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse("2026-01-01T00:00:00.000Z");

const key = (days: number, more: Partial<CertificateKey> = {}): CertificateKey => ({
  keyType: "ecdsa-p256",
  fingerprintSha256: "ab".repeat(32),
  spkiPin: "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  notBefore: timestamp(START),
  notAfter: timestamp(START + days * DAY_MS),
  ...more,
});
const record = (keys: readonly CertificateKey[], more: Partial<CertificateRecord> = {}): CertificateRecord =>
  certificateRecord({ source: "self-signed", keys, ...more });
const acme = (at: number | null, keys: readonly CertificateKey[] = []): CertificateRecord["acme"] => ({
  directory: "ca",
  challenge: "dns-01",
  profile: null,
  accountUrl: null,
  caaIdentity: null,
  orders: [],
  suggestions:
    at === null ? [] : keys.map(({ fingerprintSha256 }) => ({ fingerprintSha256, at: timestamp(at) })),
});

describe("a renewal by Postern", () => {
  it.each([
    ["self-signed", "postern"],
    ["pem", "operator"],
    ["pkcs12", "operator"],
    ["request", "operator"],
    ["acme", "postern"],
    ["acm", "acm"],
  ] as const)("of source %s is by %s", (source, by) => {
    const certificate = record([key(90)], { source });
    expect(renewedBy(certificate)).toBe(by);
    expect(renewsAt(certificate)).toBe(by === "postern" ? timestamp(START + 60 * DAY_MS) : null);
  });

  it.each([
    ["90 days", [key(90)], 60],
    ["6 days", [key(6)], 4],
    ["two keys, the first of which is due", [key(90), key(30, { keyType: "rsa-2048" })], 20],
  ])("of %s is due at two thirds", (_, keys, days) => {
    const certificate = record(keys);
    const dueMs = START + days * DAY_MS;
    expect(renewsAt(certificate)).toBe(timestamp(dueMs));
    expect(dueKeys(certificate, dueMs - 1)).toEqual([]);
    expect(dueKeys(certificate, dueMs)).toHaveLength(1);
  });

  it("is due when the CA suggests it, of the certificate that it is suggested for", () => {
    const keys = [
      key(90, { fingerprintSha256: "aa".repeat(32) }),
      key(30, { keyType: "rsa-2048", fingerprintSha256: "bb".repeat(32) }),
    ];
    const suggested = acme(START + DAY_MS, keys.slice(0, 1));
    const certificate = record(keys, { source: "acme", acme: suggested });
    expect(renewsAt(certificate)).toBe(timestamp(START + DAY_MS));
    expect(dueKeys(certificate, START + DAY_MS - 1)).toEqual([]);
    expect(dueKeys(certificate, START + DAY_MS)).toEqual(keys.slice(0, 1));
    expect(dueKeys(certificate, START + 20 * DAY_MS)).toEqual(keys);
  });

  it("has no date while there is no key", () => {
    expect(renewsAt(record([], { source: "acme", acme: acme(null) }))).toBeNull();
  });

  it("lies between notBefore and notAfter, whatever the life", () => {
    const life = fc.integer({ min: 2, max: 3650 * 24 * 3600 });
    const keys = fc.array(life, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(keys, (lives) => {
        const made = lives.map((seconds) => key(0, { notAfter: timestamp(START + seconds * 1000) }));
        const at = Date.parse(renewsAt(record(made)) ?? "");
        const end = Math.min(...made.map(({ notAfter }) => Date.parse(notAfter)));
        expect(at).toBeGreaterThan(START);
        expect(at).toBeLessThan(end);
      }),
    );
  });

  it("of a certificate of an earlier release keeps its key types and its life", () => {
    const keys = [key(365), key(365, { keyType: "rsa-2048" })];
    expect(planOf(record(keys))).toEqual({
      keyTypes: ["ecdsa-p256", "rsa-2048"],
      days: 365,
      renewalKey: "keep",
    });
    expect(planOf(record(keys, { source: "pem" }))).toBeNull();
  });
});

describe("the attempt after a failure", () => {
  const fail = (failures: number, retryAfterMs: number | null = null) =>
    failedAttempt(
      failures === 0 ? undefined : { failures, at: timestamp(0), nextAt: timestamp(0), problem: "before" },
      { nowMs: START, problem: "the CA does not answer", retryAfterMs },
    );

  it.each([
    [0, 5],
    [1, 10],
    [2, 20],
    [3, 40],
    [7, 640],
    [8, 720],
    [1000, 720],
  ])("after %i earlier ones is %i minutes later", (failures, minutes) => {
    const attempt = fail(failures);
    expect(attempt).toEqual({
      failures: failures + 1,
      at: timestamp(START),
      nextAt: timestamp(START + minutes * 60_000),
      problem: "the CA does not answer",
    });
    expect(mayTry({ attempt }, START + minutes * 60_000 - 1)).toBe(false);
    expect(mayTry({ attempt }, START + minutes * 60_000)).toBe(true);
  });

  it.each([
    ["a minute", 60_000, 5 * 60_000],
    ["an hour", HOUR_MS, HOUR_MS],
    ["three days", 3 * DAY_MS, 3 * DAY_MS],
    ["a year", 365 * DAY_MS, 7 * DAY_MS],
    ["a time in the past", -HOUR_MS, 5 * 60_000],
  ])("honours a Retry-After of %s within its bounds", (_, retryAfterMs, expectedMs) => {
    expect(fail(0, retryAfterMs).nextAt).toBe(timestamp(START + expectedMs));
  });

  it("is possible at once where none has failed", () => {
    expect(mayTry({}, START)).toBe(true);
  });
});

it("TLSA data of a key name the SHA-256 of its SPKI (RFC 7672 section 3.1.1)", () => {
  expect(tlsaOf(`sha256//${Buffer.from("0a".repeat(32), "hex").toString("base64")}`)).toBe(
    `3 1 1 ${"0a".repeat(32)}`,
  );
});
