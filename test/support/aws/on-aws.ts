import { describe, inject } from "vitest";

const environment = inject("awsEnvironment");
Object.assign(process.env, environment);

/** `describe` of tests that talk to AWS or to what stands for it; skipped where there is none. */
export const describeOnAws = describe.skipIf(environment === null);
