import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { ByteBudget } from "./byte-budget.ts";
import { IncomingMessage } from "./message.ts";

const LINE = Buffer.from("A: b\r\n");
const FILTER = {
  maxMessageBytes: 1_000,
  maxReceivedHeaders: 10,
  lineEnds: "refuse",
  longLines: "pass",
} as const;

const message = (lines: number, budget: ByteBudget): IncomingMessage =>
  new IncomingMessage(Readable.from(Array<Buffer>(lines).fill(LINE)), Buffer.from("Received: x\r\n"), {
    filter: FILTER,
    budget,
  });

async function readWhole(incoming: IncomingMessage): Promise<void> {
  for await (const octets of incoming) void octets;
}

describe("IncomingMessage under a budget that all messages share", () => {
  it("holds its octets until it is answered", async () => {
    const budget = new ByteBudget(100);
    const incoming = message(3, budget);
    await readWhole(incoming);
    expect(budget.taken).toBe(18);
    incoming.release();
    incoming.release();
    expect(budget.taken).toBe(0);
    expect(incoming.octets).toBe(18);
  });

  it("gives its octets back as soon as it is refused, so that not every message is refused with it", async () => {
    const budget = new ByteBudget(100);
    const incoming = message(20, budget);
    // What a delivery still has to clean up must not keep others out.
    await expect(readWhole(incoming)).rejects.toThrow();
    expect(incoming.failure).toMatchObject({ kind: "refused", reply: { code: 452 } });
    expect(budget.taken).toBe(0);
    incoming.release();
    expect(budget.taken).toBe(0);
  });
});
