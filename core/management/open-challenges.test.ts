import { describe, expect, it } from "vitest";
import { MemoryIssuanceState } from "../../test/support/memory-issuance-state.ts";
import { publishChallenge, withdrawChallenge } from "./open-challenges.ts";

const NAME = "mx.example.com";

/** A record set whose first change waits for `release`, so that later ones overtake it. */
function start() {
  const clock = { now: () => 0 };
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  let changes = 0;
  const dns: { values: readonly string[] } = { values: [] };
  const change = async (values: readonly string[]): Promise<void> => {
    changes += 1;
    if (changes === 1) {
      begin();
      await released;
    }
    dns.values = values;
  };
  const records = {
    publishes: () => true,
    put: (_: string, values: readonly string[]) => change(values),
    delete: () => change([]),
  };
  const deps = { state: new MemoryIssuanceState(clock), records, clock };
  return { deps, dns, begun, release };
}

describe("a record set that two orders change at the same time", () => {
  it("has both values, although the first is published after the second", async () => {
    const { deps, dns, begun, release } = start();
    const slow = publishChallenge(deps, NAME, ["a"]);
    await begun;
    await publishChallenge(deps, NAME, ["b"]);
    expect(dns.values).toEqual(["a", "b"]);
    release();
    await slow;
    expect(dns.values).toEqual(["a", "b"]);
  });

  it("has the value of the other order, although its own is removed after that", async () => {
    const { deps, dns, begun, release } = start();
    await deps.state.put(`dns/${NAME}`, [{ value: "a", untilMs: 1 }], { expected: null, expiresAtMs: null });
    const slow = withdrawChallenge(deps, NAME, ["a"]);
    await begun;
    await publishChallenge(deps, NAME, ["b"]);
    release();
    await slow;
    expect(dns.values).toEqual(["b"]);
  });

  it("is empty once both are removed, although the removal of the first comes last", async () => {
    const { deps, dns, begun, release } = start();
    const slow = publishChallenge(deps, NAME, ["a"]);
    await begun;
    await withdrawChallenge(deps, NAME, ["a"]);
    release();
    await slow;
    expect(dns.values).toEqual([]);
  });
});
