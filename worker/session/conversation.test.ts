import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { domainRecord } from "../../test/support/records.ts";
import { recordingDelivery } from "../../test/support/recording-delivery.ts";
import { edgeDefaults, grouped, snapshotOf } from "../../test/support/test-edge.ts";
import { DEFAULT_LIMITS, type Limits } from "../config/limits.ts";
import type { EdgeEvent } from "../event/edge-event.ts";
import { ByteBudget } from "./byte-budget.ts";
import { Conversation, type Phase, type Wire } from "./conversation.ts";
import { Session } from "./session.ts";

const line = (text: string): Buffer => Buffer.from(text, "utf8");
const MAIL = line("MAIL FROM:<a@client.example>");

/** A conversation over a wire that only records. */
function begin(given: Partial<Limits> = {}) {
  const limits = { ...DEFAULT_LIMITS, ...given };
  const events: EdgeEvent[] = [];
  const said: string[] = [];
  const wire = {
    phase: "commands" as Phase,
    octetsRead: 1,
    write: (lines: string) => said.push(lines.slice(0, 9)),
    startMessage: () => null,
    endMessage: () => undefined,
    close() {
      wire.phase = "over";
    },
    destroy: () => undefined,
  } satisfies Wire;
  const onEvent = (event: EdgeEvent): void => void events.push(event);
  const session = new Session(
    {
      id: "s1",
      listener: { name: "smtp", dedicatedTo: null },
      clientAddress: "192.0.2.1",
      clientPort: 1025,
      clientKey: "192.0.2.1",
      isHealthCheck: false,
      snapshot: snapshotOf({ domains: [domainRecord({ name: "a.example" })] }),
    },
    {
      ...grouped({ ...edgeDefaults(), delivery: recordingDelivery() }),
      limits,
      onEvent,
      dedicatedDomains: new Set(),
      budget: new ByteBudget(limits.maxBytesInFlight),
      contexts: {
        usable: () => true,
        get: () => null,
        prepare: async () => {},
        served: () => [],
        problems: () => [],
        replaceDefault: () => {},
        size: 0,
        defaultNotAfterMs: () => null,
      },
    },
  );
  session.reset({ text: "client.example", extended: true });
  const onEnd = vi.fn<() => void>();
  const conversation = new Conversation(wire, { session, limits, onEvent, onEnd });
  return { conversation, session, wire, said, events, onEnd };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a drain", () => {
  it.each([
    ["greeting", "421 4.3.2"],
    ["commands", "421 4.3.2"],
    ["handshake", null],
    ["message", null],
    ["over", null],
  ] as const)("in the phase %s of a session without a transaction answers %s", (phase, reply) => {
    const { conversation, wire, said } = begin();
    conversation.prompt();
    if (phase === "message" || phase === "over") conversation.accepts();
    wire.phase = phase;
    conversation.drain();
    expect(said).toEqual(reply === null ? [] : [reply]);
  });

  it("lets a transaction end first", () => {
    const { conversation, session, said } = begin();
    conversation.mail(MAIL);
    conversation.prompt();
    conversation.drain();
    conversation.prompt();
    expect(said).toEqual(["250 2.1.0"]);
    session.reset(null);
    conversation.prompt();
    expect(said).toEqual(["250 2.1.0", "421 4.3.2"]);
  });

  it("during a handshake ends the session after it", () => {
    const { conversation, wire, said } = begin();
    wire.phase = "handshake";
    conversation.drain();
    conversation.prompt();
    expect(said).toEqual([]);
    wire.phase = "commands";
    conversation.prompt();
    expect(said).toEqual(["421 4.3.2"]);
  });
});

describe("the client's turn", () => {
  it.each([
    ["commands", ["421 4.4.2"]],
    ["handshake", []],
    ["message", []],
    ["over", []],
  ] as const)("ends after commandMs only in the phase commands: %s", (phase, expected) => {
    const { conversation, wire, said } = begin({ commandMs: 1_000 });
    wire.phase = phase;
    conversation.prompt();
    vi.advanceTimersByTime(1_000);
    expect(said).toEqual(expected);
  });

  it.each([
    ["commands", true, 1, []],
    ["message", true, 1, []],
    ["handshake", true, 0, []],
    ["greeting", false, 0, ["421 4.5.1"]],
    ["over", false, 0, []],
  ] as const)("in the phase %s lets a line run: %s", (phase, runs, counted, expected) => {
    const { conversation, session, wire, said } = begin();
    wire.phase = phase;
    expect(conversation.accepts()).toBe(runs);
    expect(session.log.commands).toBe(counted);
    expect(said).toEqual(expected);
  });

  it("ends at one command more than the limit, once", () => {
    const { conversation, said, events } = begin({ maxCommands: 2 });
    expect([1, 2, 3, 4].map(() => conversation.accepts())).toEqual([true, true, false, false]);
    expect(said).toEqual(["421 4.7.0"]);
    expect(events).toEqual([{ kind: "limit-hit", listener: "smtp", limit: "maxCommands" }]);
  });
});

describe("a reply of smtp-server", () => {
  it("counts as an error from 400 on, and the session ends at one more than the limit", () => {
    const { conversation, said } = begin({ maxErrors: 1 });
    conversation.passOn("NOOP", 250, "250 2.0.0 Ok\r\n");
    conversation.passOn("XYZ", 500, "500 5.5.1 Unknown\r\n");
    conversation.passOn("XYZ", 500, "500 5.5.1 Unknown\r\n");
    expect(said).toEqual(["250 2.0.0", "500 5.5.1", "421 4.7.0"]);
  });

  it("with 421 ends the session", () => {
    const { conversation, wire } = begin();
    conversation.passOn("", 421, "421 4.4.2 Bye\r\n");
    expect(wire.phase).toBe("over");
  });
});

it("a fault in one command defers it, is reported, and leaves the session open", async () => {
  const { conversation, session, said, events, wire } = begin();
  vi.spyOn(session, "rcpt").mockRejectedValue(new Error("planted"));
  const done = vi.fn<() => void>();
  await conversation.rcpt(line("RCPT TO:<x@a.example>"), done);
  expect([said, wire.phase, done.mock.calls.length]).toEqual([["451 4.3.0"], "commands", 1]);
  expect(events).toMatchObject([{ kind: "internal-error", where: "rcpt" }]);
});

it("a connection that closes is recorded once, and ends no turn of its client afterwards", async () => {
  const { conversation, said, events, onEnd } = begin({ commandMs: 1_000 });
  conversation.prompt();
  await Promise.all([conversation.closed(), conversation.closed()]);
  vi.advanceTimersByTime(10_000);
  expect([said, onEnd.mock.calls.length]).toEqual([[], 1]);
  expect(events.map(({ kind }) => kind)).toEqual(["session-ended"]);
});
