import { parseSessionLogging } from "../config/config.ts";
import { describe, expect, it } from "vitest";
import { InvalidInput } from "../../core/errors.ts";
import { createEdgeLog } from "./edge-log.ts";
import type { RecordedRecipient, SessionRecord } from "../event/session-record.ts";
import { hasProblem } from "./session-sampling.ts";

const recipient: RecordedRecipient = {
  domain: "example.com",
  outcome: "accept",
  reason: null,
  circumstance: null,
  exception: null,
  clientCertificate: "not-requested",
  detail: null,
  reply: "250 2.1.5",
};

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  id: "s1",
  listener: "smtp",
  client: "192.0.2.1",
  clientPort: 1,
  startedAt: "2026-11-28T12:00:00.000Z",
  milliseconds: 5,
  revision: 1,
  helo: "client.example",
  senderDomain: "client.example",
  tls: null,
  commands: 5,
  errors: 0,
  messages: 1,
  failedMessages: 0,
  refusedMessages: 0,
  bytes: 10,
  recipients: [recipient],
  recipientCount: 1,
  refusedRecipients: 0,
  end: "quit",
  limit: null,
  ...change,
});

const problems: readonly (readonly [string, Partial<SessionRecord>])[] = [
  ["was cut at a limit", { end: "limit", limit: "maxErrors" }],
  ["failed in its handshake", { end: "handshake-failed" }],
  ["was drained", { end: "drained" }],
  ["met an internal error", { end: "internal-error" }],
  ["had a refused command", { errors: 1 }],
  ["had a refused recipient", { refusedRecipients: 1 }],
  ["had a message that was not accepted", { failedMessages: 1 }],
  ["had a deferred recipient", { recipients: [{ ...recipient, outcome: "defer", reason: "tls-required" }] }],
  ["had a reason under observe", { recipients: [{ ...recipient, reason: "tls-required" }] }],
  ["had a recipient that the next hop refused", { recipients: [{ ...recipient, reply: "550 5.1.1" }] }],
];

function logged(setting: string, records: readonly SessionRecord[]) {
  const lines: Readonly<Record<string, unknown>>[] = [];
  const sink = createEdgeLog(
    (event, fields = {}) => void lines.push({ event, ...fields }),
    parseSessionLogging(setting),
  );
  for (const each of records) sink({ kind: "session-ended", record: each, silent: false });
  return lines;
}

describe("SESSION_LOG", () => {
  it("has no line for a client that left without an octet", () => {
    const lines: string[] = [];
    const sink = createEdgeLog((event) => void lines.push(event), "all");
    sink({ kind: "session-ended", record: record({ end: "client-left" }), silent: true });
    expect(lines).toEqual([]);
  });

  it.each(problems)("always logs a session that %s", (_, change) => {
    expect(hasProblem(record(change))).toBe(true);
    for (const setting of ["all", "problems", "1/1000"])
      expect(logged(setting, [record(change)])).toEqual([{ event: "session", ...record(change) }]);
  });

  it.each(["quit", "client-left"] as const)("logs no session that ended well by %s under problems", (end) => {
    expect(logged("problems", [record({ end }), record({ end })])).toEqual([]);
    expect(logged("all", [record({ end })])).toHaveLength(1);
  });

  it("logs every nth session that ended well under 1/n, and says for how many it stands", () => {
    const records = Array.from({ length: 100 }, (_, index) => record({ id: `s${index}` }));
    const lines = logged("1/10", [...records, record({ errors: 1 })]);
    expect(lines.slice(0, -1).map((line) => [line["id"], line["standsFor"]])).toEqual(
      Array.from({ length: 10 }, (_, index) => [`s${index * 10 + 9}`, 10]),
    );
    expect(lines.at(-1)).not.toHaveProperty("standsFor");
  });

  it.each(["none", "", "1/0", "1/1", "1/1000001", "2/3", "1/-5", "0.5", "1/5x", "ALL"])(
    "is not %j",
    (text) => {
      expect(() => parseSessionLogging(text)).toThrow(InvalidInput);
    },
  );
});
