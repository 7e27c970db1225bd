import { describe, inject } from "vitest";

const environment = inject("awsEnvironment");
Object.assign(process.env, environment);

/** Against an account there is no endpoint that a proxy could stand before. */
export const hasEndpoints =
  environment !== null &&
  process.env["AWS_ENDPOINT_URL_DYNAMODB"] !== undefined &&
  process.env["AWS_ENDPOINT_URL_S3"] !== undefined;
export const describeBehindProxy = describe.skipIf(!hasEndpoints);

/** `describe` of tests that talk to AWS or to what stands for it; skipped where there is none. */
export const describeOnAws = describe.skipIf(environment === null);
