import { expect } from "vitest";
import { awsConfigSchema } from "../../../adapters/aws/aws-config.ts";
import { parseOperatorDelivery } from "../../../core/delivery/route.ts";
import { apiConfigSchema } from "../../../functions/api/api-config.ts";
import { scheduleConfigSchema } from "../../../functions/schedule/schedule-config.ts";
import { LOCAL_VARIABLES } from "../../../local/local-config.ts";
import { parseConfig } from "../../../worker/config/config.ts";
import { WORKER_VARIABLES } from "../../../worker/config/config-variables.ts";
import type { Stack } from "../harness/stack.ts";
import {
  at,
  type Checks,
  edgeContainer,
  edgeEnvironment,
  functionEnvironment,
  onlyOne,
  textAt,
  withoutSst,
} from "./stack-reader.ts";

const STORES = Object.keys(awsConfigSchema.shape);
const names = (environment: Readonly<Record<string, string>>): readonly string[] =>
  Object.keys(environment).toSorted();

/** The tables of names that each program reads: a variable that is in none of them does nothing. */
function expectKnown(environment: Readonly<Record<string, string>>, known: readonly string[]): void {
  expect(names(environment).filter((name) => !known.includes(name))).toEqual([]);
}

const ofStores = (stack: Stack) => ({
  STORE: "dynamodb",
  TABLE_NAME: textAt(onlyOne(stack, "dynamodb/table:Table").inputs, "name"),
  KEY_BUCKET: textAt(
    onlyOne(stack, "s3/bucket:Bucket", ({ name }) => name === "KeysBucket").inputs,
    "bucket",
  ),
});

export const ENVIRONMENT_CHECKS: Checks = {
  "the API's function has the variables of its schema, and they are right": (stack) => {
    const environment = withoutSst(functionEnvironment(stack, "ApiHandler"));
    expectKnown(environment, [...STORES, ...Object.keys(apiConfigSchema.shape)]);
    const config = awsConfigSchema.extend(apiConfigSchema.shape).parse(environment);
    expect(config).toMatchObject({
      ...ofStores(stack),
      API_AUTH: "iam",
      SMTP_NAME: edgeEnvironment(stack)["SMTP_NAME"],
    });
  },
  "the schedule's function has the variables of its schema, and they are right": (stack) => {
    const environment = withoutSst(functionEnvironment(stack, "ScheduleHandler"));
    expectKnown(environment, [...STORES, ...Object.keys(scheduleConfigSchema.shape)]);
    const config = awsConfigSchema.extend(scheduleConfigSchema.shape).parse(environment);
    expect(config).toMatchObject(ofStores(stack));
  },
  "an edge has variables of its schema, and starts with them": (stack) => {
    const environment = withoutSst(edgeEnvironment(stack));
    expectKnown(environment, [...STORES, ...Object.keys(WORKER_VARIABLES)]);
    // An edge writes no keys, so it gets no variable that names one.
    expect(environment["KEY_KMS_KEY_ID"]).toBe(undefined);
    expect(awsConfigSchema.omit({ KEY_KMS_KEY_ID: true }).parse(environment)).toMatchObject(ofStores(stack));
    const config = parseConfig(environment, { cwd: "/app", hostName: null });
    expect(config).toMatchObject({ healthHost: "0.0.0.0", healthPort: 8081, dataDir: "/tmp/postern" });
    expect(config.delivery).toEqual(parseOperatorDelivery(environment["DELIVERY"] ?? ""));
    expect(config.limits).toMatchObject({ acceptAfterTermMs: 60_000, drainMs: 100_000 });
  },
  "no variable holds a secret": (stack) => {
    const secret = Object.entries(LOCAL_VARIABLES).flatMap(([name, variable]) =>
      "secret" in variable ? [name] : [],
    );
    const given = withoutSst(edgeEnvironment(stack));
    // A place without a password is none.
    expect(secret.filter((name) => given[name] !== undefined && !given[name].startsWith("s3://"))).toEqual(
      [],
    );
    expect(at(edgeContainer(stack), "secrets") ?? []).toEqual([]);
  },
};
