import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { CHECKS as DEFAULT_CHECKS } from "./checks/all-checks.ts";
import { PROXY_CHECKS } from "./checks/client-address.ts";
import type { Checks } from "./checks/stack-reader.ts";
import { CLIENT_ADDRESS_FAULTS } from "./faults/client-address.ts";
import { DATA_FAULTS } from "./faults/data.ts";
import { EDGE_FAULTS } from "./faults/edge.ts";
import { FUNCTION_FAULTS } from "./faults/functions.ts";
import { ORDER_FAULTS } from "./faults/order.ts";
import { OUTPUT_FAULTS } from "./faults/outputs.ts";
import { ROLE_FAULTS } from "./faults/roles.ts";
import type { Faults } from "./faults/planted.ts";
import type { Stack } from "./harness/stack.ts";
import { synthesiseEach } from "./harness/synthesise.ts";

const CHECKS: Checks = { ...DEFAULT_CHECKS, ...PROXY_CHECKS };
const FAULTS: Faults = {
  ...DATA_FAULTS,
  ...ROLE_FAULTS,
  ...EDGE_FAULTS,
  ...CLIENT_ADDRESS_FAULTS,
  ...FUNCTION_FAULTS,
  ...ORDER_FAULTS,
  ...OUTPUT_FAULTS,
};
const PRODUCTION = { stage: "production", environment: { POSTERN_SMTP_NAME: "mx.example.net" } } as const;

// Told in a second, where the synthesis stops at the first one after minutes.
it.each(Object.entries(FAULTS))("the text that a fault replaces is in its file: %s", (_, { file, find }) => {
  expect(readFileSync(join(import.meta.dirname, "../..", file), "utf8").split(find)).toHaveLength(2);
});

describe.skipIf(!inject("isSstUnpacked"))("a planted fault is caught:", () => {
  const stacks = new Map<string, Stack>();

  beforeAll(async () => {
    const names = Object.keys(FAULTS);
    const half = Math.ceil(names.length / 2);
    // One after the other in a process; two processes, as CI has cores.
    await Promise.all([names.slice(0, half), names.slice(half)].map(synthesiseWith));
  }, 1_800_000);

  async function synthesiseWith(names: readonly string[]): Promise<void> {
    const list = names.flatMap((name) => {
      const fault = FAULTS[name];
      if (fault === undefined) return [];
      const environment = { ...PRODUCTION.environment, ...fault.environment };
      return [{ ...PRODUCTION, environment, patches: [fault] }];
    });
    let index = 0;
    for await (const stack of synthesiseEach(list)) {
      stacks.set(names[index] ?? "", stack);
      index += 1;
    }
  }

  it.each(Object.entries(FAULTS))("%s", (name, { caughtBy }) => {
    const stack = stacks.get(name);
    const holds = CHECKS[caughtBy];
    if (stack === undefined || holds === undefined) throw new Error(`no stack, or no check: ${caughtBy}`);
    expect(() => holds(stack)).toThrow();
  });

  it("by every check", () => {
    const proven = new Set(Object.values(FAULTS).map(({ caughtBy }) => caughtBy));
    expect(Object.keys(CHECKS).filter((name) => !proven.has(name))).toEqual([]);
  });
});
