import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../core/errors.ts";
import { DEFAULT_LIMITS, LIMIT_TABLE, parseLimits } from "./limits.ts";

describe("parseLimits", () => {
  it("has these defaults when nothing is overridden", () => {
    expect(parseLimits("{}")).toEqual({
      greetingDelayMs: 0,
      proxyHeaderMs: 3000,
      clientHelloMs: 5000,
      handshakeMs: 10000,
      commandMs: 300000,
      dataMs: 600000,
      dataMinBytesPerSecond: 500,
      sessionMs: 1800000,
      maxRecipients: 100,
      maxRefusedRecipients: 100,
      maxRefusedMessages: 100,
      maxErrors: 20,
      maxCommands: 1000,
      maxCommandBytes: 2048,
      maxMessageBytes: 52428800,
      maxChainVerificationsPerClient: 10,
      maxReceivedHeaders: 100,
      maxConnectionsPerClient: 50,
      maxConnections: 2000,
      maxBytesInFlight: 268435456,
      nextHopConnectMs: 30000,
      nextHopReplyMs: 300000,
      nextHopDotMs: 600000,
      acceptAfterTermMs: 0,
      drainMs: 30000,
    });
  });

  it("takes what is given and leaves the rest", () => {
    expect(parseLimits('{"maxErrors":3}')).toEqual({ ...DEFAULT_LIMITS, maxErrors: 3 });
  });

  it.each([
    ['{"maxErorrs":3}', '"maxErorrs" is not a limit'],
    ['{"maxErrors":0}', "maxErrors must be a whole number from 1 to 10000 (count)"],
    ['{"commandMs":1.5}', "commandMs must be a whole number from 1 to 3600000 (ms)"],
    ['{"commandMs":"300000"}', "commandMs must be a whole number"],
    ['{"commandMs":null}', "commandMs must be a whole number"],
    ['{"acceptAfterTermMs":30001}', "acceptAfterTermMs must be at most drainMs, 30000 (ms)"],
    ['{"acceptAfterTermMs":2000,"drainMs":1000}', "acceptAfterTermMs must be at most drainMs, 1000 (ms)"],
    ["[]", "must be a JSON object"],
    ["5", "must be a JSON object"],
    ["{", "not JSON"],
    ['{"__proto__":{"maxErrors":3}}', '"__proto__" is not a limit'],
    ['{"toString":3}', '"toString" is not a limit'],
  ])("refuses %s and says why", (json, message) => {
    expect(() => parseLimits(json)).toThrow(InvalidInput);
    expect(() => parseLimits(json)).toThrow(`LIMITS: ${message}`);
  });

  it("names every mistake at once", () => {
    expect(() => parseLimits('{"a":1,"b":2,"maxErrors":-1}')).toThrow(
      /maxErrors.*"a".*"b"|"a".*"b".*maxErrors/,
    );
  });
});

describe("the table of limits", () => {
  it.each(Object.entries(LIMIT_TABLE))("has %s within its range, with a reason", (_name, row) => {
    expect(row.default).toBeGreaterThanOrEqual(row.min);
    expect(row.default).toBeLessThanOrEqual(row.max);
    expect(row.reason.length).toBeGreaterThan(10);
  });
});
