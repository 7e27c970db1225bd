import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import {
  createShutdown,
  endOnSignalsAndErrors,
  type ShutdownCause,
  type ShutdownEvent,
  type ShutdownStep,
} from "./shutdown.ts";

const TERM = { kind: "signal", signal: "SIGTERM" } as const;
const CRASH = { kind: "error", origin: "uncaughtException", error: new Error("x") } as const;

function start(steps: readonly ShutdownStep[]) {
  const events: ShutdownEvent["kind"][] = [];
  const exits: number[] = [];
  let nowMs = 0;
  let timer = (): void => {};
  let exited = (): void => {};
  const ended = new Promise<void>((resolve) => {
    exited = resolve;
  });
  const shutdown = createShutdown({
    graceMs: 1_000,
    steps: () => steps,
    monotonicNow: () => nowMs,
    after: (_, then) => {
      timer = then;
    },
    exit: (code) => {
      exits.push(code);
      exited();
    },
    onEvent: ({ kind }) => events.push(kind),
  });
  return { shutdown, events, exits, ended, advance: (ms: number) => (nowMs += ms), graceOver: () => timer() };
}

const never = (): Promise<void> => new Promise(() => {});

describe("shutdown", () => {
  it("runs the steps one after another and exits 0", async () => {
    const order: string[] = [];
    const step = (name: string): ShutdownStep => ({
      name,
      run: async () => {
        order.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        order.push(`${name} ends`);
      },
    });
    const { shutdown, exits, ended } = start([step("drain"), step("store")]);
    shutdown.begin(TERM);
    expect(shutdown.begun()).toBe(true);
    await ended;
    expect(order).toEqual(["drain begins", "drain ends", "store begins", "store ends"]);
    expect(exits).toEqual([0]);
  });

  it("goes on after a step that failed, and exits non-zero", async () => {
    let second = false;
    const { shutdown, events, exits, ended } = start([
      { name: "drain", run: () => Promise.reject(new Error("x")) },
      {
        name: "store",
        run: async () => {
          second = true;
        },
      },
    ]);
    shutdown.begin(TERM);
    await ended;
    expect(second).toBe(true);
    expect(events).toEqual(["begun", "step-failed", "ended"]);
    expect(exits).toEqual([1]);
  });

  it("exits when the grace time is over, whatever still runs", () => {
    const { shutdown, events, exits, graceOver } = start([{ name: "drain", run: never }]);
    shutdown.begin(TERM);
    expect(exits).toEqual([]);
    graceOver();
    expect(events.at(-1)).toBe("grace-over");
    expect(exits).toEqual([1]);
  });

  it("exits at once on a second signal, but not on the copy of the first that npm forwards", () => {
    const { shutdown, exits, advance } = start([{ name: "drain", run: never }]);
    shutdown.begin(TERM);
    advance(100);
    shutdown.begin(TERM);
    expect(exits).toEqual([]);
    advance(200);
    shutdown.begin({ kind: "signal", signal: "SIGINT" });
    expect(exits).toEqual([1]);
  });

  it("drains after an error that no code expected, and exits non-zero", async () => {
    let drained = false;
    const { shutdown, exits, ended } = start([
      {
        name: "drain",
        run: async () => {
          drained = true;
        },
      },
    ]);
    shutdown.begin(CRASH);
    await ended;
    expect(drained).toBe(true);
    expect(exits).toEqual([1]);
  });

  it("does not drain twice when a second error comes, tells it, and exits non-zero", async () => {
    let drains = 0;
    let finish = (): void => {};
    const { shutdown, events, exits, ended } = start([
      {
        name: "drain",
        run: () => {
          drains += 1;
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
      },
    ]);
    shutdown.begin(TERM);
    shutdown.begin(CRASH);
    expect(events).toContain("error-while-ending");
    finish();
    await ended;
    expect([drains, exits]).toEqual([1, [1]]);
  });

  it.each<{ what: string; causes: readonly ShutdownCause[]; hurries: boolean }>([
    { what: "SIGTERM", causes: [TERM], hurries: false },
    { what: "SIGINT", causes: [{ kind: "signal", signal: "SIGINT" }], hurries: true },
    { what: "an error", causes: [CRASH], hurries: true },
    { what: "SIGTERM and then an error", causes: [TERM, CRASH], hurries: true },
    { what: "SIGTERM that npm forwards too", causes: [TERM, TERM], hurries: false },
  ])("hurries after $what: $hurries", ({ causes, hurries }) => {
    const signals: AbortSignal[] = [];
    const { shutdown } = start([
      {
        name: "drain",
        run: ({ hurry }) => {
          signals.push(hurry);
          return never();
        },
      },
    ]);
    for (const cause of causes) shutdown.begin(cause);
    expect(signals.map(({ aborted }) => aborted)).toEqual([hurries]);
  });

  it.each(["SIGTERM", "SIGINT", "uncaughtException", "unhandledRejection"])("begins on %s", (name) => {
    const events = new EventEmitter();
    const causes: unknown[] = [];
    endOnSignalsAndErrors(events as NodeJS.Process, (cause) => causes.push(cause));
    events.emit(name, new Error("x"));
    expect(causes).toHaveLength(1);
  });
});
