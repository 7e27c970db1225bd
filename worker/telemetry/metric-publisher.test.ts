import { describe, expect, it } from "vitest";
import { publishMetrics } from "./metric-publisher.ts";

/** A clock that a sleep moves, and each turn too, by what it takes. */
function clockwork(turnMs: number, turns: number) {
  const stopping = new AbortController();
  const written: number[] = [];
  let nowMs = 0;
  const options = {
    intervalMs: 60_000,
    lines: () => [String(nowMs)],
    write: (line: string) => {
      written.push(Number(line));
      nowMs += turnMs;
      if (written.length === turns) stopping.abort();
    },
    now: () => nowMs,
    monotonicNow: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
  };
  return { options, written, stopping };
}

describe("publishing metrics", () => {
  it("keeps its rate whatever a turn takes, so that each minute has one value", async () => {
    const { options, written, stopping } = clockwork(700, 1_000);
    await publishMetrics(options, stopping.signal);
    expect(written.map((ms) => Math.floor(ms / 60_000))).toEqual(
      Array.from({ length: 1_000 }, (_, index) => index + 1),
    );
  });

  it("does not make up for a pause of the whole machine", async () => {
    const { options, written, stopping } = clockwork(0, 4);
    let paused = false;
    const sleep = async (ms: number) => {
      await options.sleep(paused ? ms : ms + 3_600_000);
      paused = true;
    };
    await publishMetrics({ ...options, sleep }, stopping.signal);
    expect(written).toEqual([3_660_000, 3_660_000, 3_720_000, 3_780_000]);
  });

  it("writes once more when it ends, for what was counted since", async () => {
    const { options, written, stopping } = clockwork(0, 99);
    const sleep = (_ms: number, signal: AbortSignal) =>
      new Promise<void>((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("aborted")));
      });
    const ended = publishMetrics({ ...options, sleep }, stopping.signal);
    stopping.abort();
    await ended;
    expect(written).toEqual([0]);
  });
});
