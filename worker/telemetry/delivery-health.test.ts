import { describe, expect, it } from "vitest";
import { createDeliveryHealth } from "./delivery-health.ts";
import type { EdgeEvent } from "../event/edge-event.ts";

const OWN = "s3://bucket/inbox";
const HOP = "smtp://hop.example:25?tls=require";
const OTHER = "smtp://other.example:25?tls=require";
const MINUTE = 60_000;

type Failed = Extract<EdgeEvent, { kind: "delivery-failed" }>;

const failed = (nextHop: string, change: Partial<Failed> = {}): EdgeEvent => ({
  kind: "delivery-failed",
  listener: "smtp",
  session: "s1",
  domains: [],
  route: "smtp",
  nextHop,
  stage: "message",
  outcome: "defer",
  cause: "timeout",
  phase: "dot",
  reply: "451 4.4.2",
  nextHopReply: null,
  detail: null,
  ...change,
});

const accepted = (nextHop: string): EdgeEvent => ({
  kind: "message-accepted",
  listener: "smtp",
  route: "smtp",
  nextHop,
  bytes: 1,
  recipients: 1,
  milliseconds: 1,
});

/** What is known after these events, each at its minute. */
function after(events: readonly (readonly [number, EdgeEvent])[], endMinute: number) {
  let nowMs = 0;
  const health = createDeliveryHealth({ own: OWN, now: () => nowMs });
  for (const [minute, event] of events) {
    nowMs = minute * MINUTE;
    health.note(event);
  }
  nowMs = endMinute * MINUTE;
  return health.state();
}

describe("the health of deliveries", () => {
  it("is an outage from the first deferral to the last, as long as no message is accepted", () => {
    const events = [0, 4, 11].map((minute) => [minute, failed(OWN)] as const);
    expect(after(events, 12)).toEqual({ ownFailingMs: 11 * MINUTE, failing: 0 });
    expect(after([...events, [12, accepted(OWN)]], 12)).toEqual({ ownFailingMs: 0, failing: 0 });
  });

  it("is none for a single deferral, however long ago, or for a refusal, or for a message that broke off", () => {
    expect(after([[0, failed(OWN)]], 30).ownFailingMs).toBe(0);
    const refusals = [0, 11].map((minute) => [minute, failed(OWN, { outcome: "reject" })] as const);
    expect(after(refusals, 12).ownFailingMs).toBe(0);
    const broken = [0, 11].map((minute) => [minute, failed(OWN, { cause: "message" })] as const);
    expect(after(broken, 12).ownFailingMs).toBe(0);
  });

  it("counts next hops of domains apart from each other and from the operator's own", () => {
    const events = [
      [0, failed(HOP)],
      [1, failed(OTHER)],
      [5, accepted(OWN)],
      [9, failed(HOP)],
      [10, failed(HOP)],
      [10, failed(OTHER)],
    ] as const;
    expect(after(events, 10)).toEqual({ ownFailingMs: 0, failing: 1 });
    expect(after([...events, [11, failed(OTHER)]], 11)).toEqual({ ownFailingMs: 0, failing: 2 });
    expect(after([...events, [11, accepted(HOP)]], 11)).toEqual({ ownFailingMs: 0, failing: 0 });
  });

  it("is forgotten an hour after the last attempt", () => {
    const events = [0, 20].map((minute) => [minute, failed(HOP)] as const);
    expect(after(events, 79).failing).toBe(1);
    expect(after(events, 80).failing).toBe(0);
  });

  it("holds a bounded number of next hops, and always the operator's own", () => {
    const many = Array.from({ length: 3_000 }, (_, index) => `smtp://hop${index}.example:25?tls=require`);
    const events = [0, 10].flatMap((minute) => many.map((hop) => [minute, failed(hop)] as const));
    const own = [0, 10].map((minute) => [minute, failed(OWN)] as const);
    expect(after([...events.slice(0, 3_000), ...own, ...events.slice(3_000)], 10)).toEqual({
      ownFailingMs: 10 * MINUTE,
      failing: 1_000,
    });
  });
});
