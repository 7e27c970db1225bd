import { describe, expect, it } from "vitest";
import { Gate } from "./gate.ts";

interface Visit {
  readonly leave: () => void;
  readonly result: Promise<string | null>;
}

describe("a gate", () => {
  const log: string[] = [];
  const visit = (gate: Gate, name: string): Visit => {
    const staying = Promise.withResolvers<undefined>();
    const result = gate.enter(async () => {
      log.push(name);
      await staying.promise;
      return name;
    });
    return { leave: () => staying.resolve(undefined), result };
  };

  it("gives a free place to the caller that waited longest, and to no other", async () => {
    log.length = 0;
    const gate = new Gate({ places: 1, queueLength: 10, waitMs: 10_000 });
    const [first, second, third] = ["first", "second", "third"].map((name) => visit(gate, name));
    first?.leave();
    expect(await first?.result).toBe("first");
    const fourth = visit(gate, "fourth");
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(["first", "second"]);
    for (const each of [second, third, fourth]) {
      each?.leave();
      await each?.result;
    }
    expect(log).toEqual(["first", "second", "third", "fourth"]);
  });

  it("is free again after work that failed", async () => {
    const gate = new Gate({ places: 1, queueLength: 0, waitMs: 0 });
    await expect(gate.enter(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    expect(await gate.enter(() => Promise.resolve("in"))).toBe("in");
  });

  it("turns away who comes to a full queue, and who waited too long", async () => {
    const gate = new Gate({ places: 1, queueLength: 1, waitMs: 10 });
    const first = visit(gate, "first");
    const second = visit(gate, "second");
    expect(await visit(gate, "third").result).toBeNull();
    expect(await second.result).toBeNull();
    first.leave();
    expect(await first.result).toBe("first");
    const last = visit(gate, "last");
    last.leave();
    expect(await last.result).toBe("last");
  });
});
