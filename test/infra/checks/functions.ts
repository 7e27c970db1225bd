import { BUNDLES } from "../../../scripts/bundles.ts";
import { expect } from "vitest";
import type { Stack } from "../harness/stack.ts";
import { allOf, at, type Checks, functionNamed, listAt, onlyOne, textAt } from "./stack-reader.ts";

const OPEN = [
  "GET /health/live",
  "GET /health/ready",
  "GET /openapi.json",
  "GET /.well-known/acme-challenge/{token}",
  "HEAD /.well-known/acme-challenge/{token}",
];

/** What authorises each route; whatever is not open is caught by `$default`. */
function authorizations(stack: Stack): Readonly<Record<string, string>> {
  return Object.fromEntries(
    allOf(stack, "apigatewayv2/route:Route").map(({ inputs }) => [
      textAt(inputs, "routeKey"),
      textAt(inputs, "authorizationType"),
    ]),
  );
}

/** The whole stage by one authorizer. */
export function expectAuthorizedBy(stack: Stack, type: "AWS_IAM" | "JWT" | "NONE"): void {
  expect(authorizations(stack)).toEqual({
    ...Object.fromEntries(OPEN.map((route) => [route, "NONE"])),
    $default: type,
  });
}

export const FUNCTION_CHECKS: Checks = {
  "health, the OpenAPI document and tokens of http-01 are open, and nothing else": (stack) => {
    expectAuthorizedBy(stack, "AWS_IAM");
    expect(allOf(stack, "lambda/functionUrl:FunctionUrl")).toEqual([]);
  },
  "no script of another origin calls the API": (stack) => {
    expect(at(onlyOne(stack, "apigatewayv2/api:Api").inputs, "corsConfiguration") ?? {}).toEqual({});
  },
  "requests are bounded, those of strangers more": (stack) => {
    const { inputs } = onlyOne(stack, "apigatewayv2/stage:Stage");
    expect(inputs["defaultRouteSettings"]).toEqual({ throttlingRateLimit: 100, throttlingBurstLimit: 200 });
    expect(inputs["routeSettings"]).toEqual(
      OPEN.map((routeKey) => ({ routeKey, throttlingRateLimit: 10, throttlingBurstLimit: 20 })),
    );
  },
  "every route is answered by the API's function, in payload format 2.0": (stack) => {
    for (const { inputs } of allOf(stack, "apigatewayv2/integration:Integration")) {
      expect(inputs).toMatchObject({ integrationType: "AWS_PROXY", payloadFormatVersion: "2.0" });
      expect(inputs["integrationUri"]).toMatch(/-ApiHandlerFunction-/u);
    }
  },
  "functions run Node 24 on ARM64, and end before who waits for them": (stack) => {
    const shared = { runtime: "nodejs24.x", architectures: ["arm64"], memorySize: 1024 };
    expect(functionNamed(stack, "ApiHandler").inputs).toMatchObject({ ...shared, timeout: 29 });
    expect(functionNamed(stack, "ScheduleHandler").inputs).toMatchObject({ ...shared, timeout: 300 });
    expect(allOf(stack, "lambda/function:Function")).toHaveLength(2);
  },
  "logs of functions and requests are kept for a year": (stack) => {
    const groups = allOf(stack, "cloudwatch/logGroup:LogGroup");
    expect(groups).toHaveLength(4);
    expect(groups.map(({ inputs }) => inputs["retentionInDays"])).toEqual(groups.map(() => 365));
  },
  "the functions are those of the product": ({ handlers }) => {
    expect(handlers.toSorted()).toEqual(
      [BUNDLES.api, BUNDLES.schedule].map(({ entry, file }) => `dist/${entry.split("/")[1]}/${file}.handler`),
    );
  },
  "every sweep has its time": (stack) => {
    const schedules = allOf(stack, "scheduler/schedule:Schedule").map(({ inputs }) => [
      JSON.parse(textAt(inputs, "target", "input")) as unknown,
      inputs["scheduleExpression"],
      inputs["state"],
      at(inputs, "target", "retryPolicy", "maximumRetryAttempts"),
    ]);
    expect(schedules).toEqual([
      [{ sweep: "backup" }, "rate(5 minutes)", "ENABLED", 2],
      [{ sweep: "issuance" }, "rate(5 minutes)", "ENABLED", 2],
      [{ sweep: "ownership" }, "rate(5 minutes)", "ENABLED", 2],
      [{ sweep: "expiry" }, "rate(1 hour)", "ENABLED", 2],
      [{ sweep: "renewals" }, "rate(1 day)", "ENABLED", 2],
      [{ sweep: "clean-up" }, "rate(1 day)", "ENABLED", 2],
    ]);
    for (const { inputs } of allOf(stack, "scheduler/schedule:Schedule")) {
      expect(textAt(inputs, "target", "arn")).toMatch(/-ScheduleHandlerFunction-/u);
    }
  },
  "a certificate that ACM has renewed starts the schedule": (stack) => {
    const rule = onlyOne(stack, "cloudwatch/eventRule:EventRule").inputs;
    expect(JSON.parse(textAt(rule, "eventPattern"))).toEqual({
      source: ["aws.acm"],
      "detail-type": ["ACM Certificate Available"],
    });
    expect(textAt(onlyOne(stack, "cloudwatch/eventTarget:EventTarget").inputs, "arn")).toMatch(
      /-ScheduleHandlerFunction-/u,
    );
    const permission = onlyOne(
      stack,
      "lambda/permission:Permission",
      ({ inputs }) => inputs["principal"] === "events.amazonaws.com",
    );
    // Without it another account's rule could start the function.
    expect(textAt(permission.inputs, "sourceArn")).toMatch(/:123456789012:/u);
  },
  "the outputs show an operator which DNS records to set": ({ outputs }) => {
    expect(outputs["api"]).toMatch(/^https:\/\//u);
    expect(outputs["loadBalancer"]).toMatch(/\.elb\./u);
    const records = listAt(outputs, "dns").map(String);
    expect(records.filter((record) => / A 192\.0\.2\.\d+$/u.test(record)).length).toBeGreaterThanOrEqual(4);
    expect(records.at(-1)).toMatch(/ MX 10 /u);
  },
};
