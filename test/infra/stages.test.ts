import { beforeAll, describe, expect, inject, it } from "vitest";
import { CHECKS } from "./checks/all-checks.ts";
import type { Stack } from "./harness/stack.ts";
import { synthesise } from "./harness/synthesise.ts";

/** The two kinds of stage: one that must last, and one that is thrown away. */
const STAGES = {
  production: { POSTERN_SMTP_NAME: "mx.example.net" },
  "pr-1": {},
} as const;

describe.skipIf(!inject("isSstUnpacked")).each(Object.entries(STAGES))(
  "stage %s, synthesised and asserted",
  (stage, environment) => {
    let stack: Stack;

    beforeAll(async () => {
      stack = await synthesise({ stage, environment });
    });

    it.each(Object.entries(CHECKS))("%s", (_name, holds) => {
      expect.hasAssertions();
      holds(stack);
    });
  },
);
