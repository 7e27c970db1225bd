import { expect } from "vitest";
import { DEPLOY_VARIABLES, isConsentVariable } from "../../../infra/deploy-variables.ts";
import type { Stack } from "../harness/stack.ts";
import { allOf, type Checks, edgeEnvironment, onlyOne, statementsOf, textAt } from "./stack-reader.ts";

const PARAMETER = "ssm/parameter:Parameter";

/** Parameters of the stage by the last part of their names; those of what is in force by two. */
export function parametersOf(stack: Stack): Readonly<Record<string, string>> {
  const prefix = `/postern/${stack.app.stage}/`;
  return Object.fromEntries(
    allOf(stack, PARAMETER).map(({ inputs }) => {
      const name = textAt(inputs, "name");
      expect(name.startsWith(prefix), name).toBe(true);
      return [name.slice(prefix.length), textAt(inputs, "value")];
    }),
  );
}

export const OUTPUT_CHECKS: Checks = {
  "a program finds the stage by parameters": (stack) => {
    const { outputs } = stack;
    const addresses = allOf(stack, "ec2/eip:Eip").map(({ name }) => `192.0.2.${name.replaceAll(/\D/gu, "")}`);
    expect(parametersOf(stack)).toMatchObject({
      "api-url": outputs["api"],
      "load-balancer": outputs["loadBalancer"],
      "smtp-name": edgeEnvironment(stack)["SMTP_NAME"],
      table: outputs["table"],
      "key-bucket": outputs["keyBucket"],
      "mail-bucket": outputs["mailBucket"],
      addresses: addresses.join(","),
      "api-policy": expect.stringMatching(/^arn:.*ApiCaller$/u),
    });
    // Production retains what leaves the program: these would go on naming what is gone.
    expect(allOf(stack, PARAMETER).filter(({ isRetained }) => isRetained)).toEqual([]);
  },
  "one policy lets a caller call this API, and nothing else": (stack) => {
    const policy = onlyOne(stack, "iam/policy:Policy");
    expect(statementsOf(policy.inputs["policy"])).toEqual([
      {
        effect: "Allow",
        actions: ["execute-api:Invoke"],
        resources: [expect.stringMatching(/^arn:aws:execute-api:eu-central-1:123456789012:ApiApi\/\*$/u)],
        condition: {},
      },
    ]);
  },
  "what is in force is written down when all of it is": (stack) => {
    const variables = Object.keys(DEPLOY_VARIABLES).filter(isConsentVariable);
    const known = Object.keys(parametersOf(stack)).filter((name) => name.startsWith("in-force/"));
    expect(known.toSorted()).toEqual(variables.map((name) => `in-force/${name}`).toSorted());
    const last = [
      onlyOne(stack, "apigatewayv2/stage:Stage"),
      onlyOne(stack, "ecs/service:Service"),
      ...allOf(stack, "lambda/function:Function"),
    ].map(({ urn }) => urn);
    for (const { inputs, dependencies } of allOf(stack, PARAMETER)) {
      if (!textAt(inputs, "name").includes("/in-force/")) continue;
      expect(dependencies).toEqual(expect.arrayContaining(last));
    }
  },
};
