import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../config/limits.ts";
import { DataDeadline, PromptDeadline, type WatchedStream } from "./deadlines.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("PromptDeadline", () => {
  const limits = { ...DEFAULT_LIMITS, commandMs: 1_000, sessionMs: 10_000 };
  const started = (): { passed: string[]; deadline: PromptDeadline } => {
    const passed: string[] = [];
    return { passed, deadline: new PromptDeadline(limits, (limit) => passed.push(limit)) };
  };

  it("counts from the prompt", () => {
    const { passed, deadline } = started();
    vi.advanceTimersByTime(900);
    deadline.ask();
    vi.advanceTimersByTime(999);
    expect(passed).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(passed).toEqual(["commandMs"]);
  });

  it("does not run while we work on a command", () => {
    const { passed, deadline } = started();
    deadline.ask();
    deadline.answered();
    vi.advanceTimersByTime(5_000);
    expect(passed).toEqual([]);
  });

  it("ends a session that grew too old while it waits, once", () => {
    const { passed, deadline } = started();
    vi.advanceTimersByTime(9_500);
    deadline.ask();
    vi.advanceTimersByTime(60_000);
    expect(passed).toEqual(["sessionMs"]);
  });

  it("ends a session that grew too old while we worked, at its next prompt", () => {
    const { passed, deadline } = started();
    vi.advanceTimersByTime(20_000);
    expect(passed).toEqual([]);
    deadline.ask();
    expect(passed).toEqual(["sessionMs"]);
  });

  it("is quiet once it is stopped", () => {
    const { passed, deadline } = started();
    deadline.ask();
    deadline.stop();
    vi.advanceTimersByTime(60_000);
    expect(passed).toEqual([]);
  });
});

describe("DataDeadline", () => {
  const limits = { ...DEFAULT_LIMITS, dataMs: 100_000, dataMinBytesPerSecond: 500 };
  const started = (): {
    passed: string[];
    stream: { -readonly [Key in keyof WatchedStream]: WatchedStream[Key] };
  } => {
    const passed: string[] = [];
    const stream = { byteLength: 0, writableEnded: false, writableNeedDrain: false };
    const deadline = new DataDeadline(stream, limits, (limit) => passed.push(limit));
    return { passed, stream: Object.assign(stream, { deadline }) };
  };
  const feed = (stream: { byteLength: number }, seconds: number, perSecond: number): void => {
    for (let second = 0; second < seconds; second += 1) {
      stream.byteLength += perSecond;
      vi.advanceTimersByTime(1_000);
    }
  };

  it("judges the rate after 30 s and not before", () => {
    const { passed, stream } = started();
    feed(stream, 29, 1);
    expect(passed).toEqual([]);
    feed(stream, 1, 1);
    expect(passed).toEqual(["dataMinBytesPerSecond"]);
  });

  it("takes the mean since 354, so a client that was fast may pause, but not without end", () => {
    const { passed, stream } = started();
    feed(stream, 30, 1_000);
    feed(stream, 29, 0);
    expect(passed).toEqual([]);
    feed(stream, 2, 0);
    expect(passed).toEqual(["dataMinBytesPerSecond"]);
  });

  it("does not blame the client for the time in which the next hop is slow", () => {
    const { passed, stream } = started();
    stream.writableNeedDrain = true;
    feed(stream, 90, 0);
    expect(passed).toEqual([]);
  });

  it("is absolute: dataMs ends a message that comes fast and never ends", () => {
    const { passed, stream } = started();
    feed(stream, 99, 1_000_000);
    expect(passed).toEqual([]);
    feed(stream, 1, 1_000_000);
    expect(passed).toEqual(["dataMs"]);
  });

  it("has no say once the dot has come", () => {
    const { passed, stream } = started();
    stream.writableEnded = true;
    feed(stream, 200, 0);
    expect(passed).toEqual([]);
  });
});
