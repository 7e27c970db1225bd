import { beforeAll, describe, expect, inject, it } from "vitest";
import { allOf, textAt } from "./checks/stack-reader.ts";
import { synthesise } from "./harness/synthesise.ts";

const BEFORE = { POSTERN_TABLE: "restored-settings", POSTERN_DELIVERY: "smtp://relay.example:587" };

describe.skipIf(!inject("isSstUnpacked"))("a deployment after another one", () => {
  /** What the parameter store holds after a deployment by BEFORE. */
  let parameters: Readonly<Record<string, string>> = {};

  beforeAll(async () => {
    const stack = await synthesise({ stage: "pr-1", environment: BEFORE });
    parameters = Object.fromEntries(
      allOf(stack, "ssm/parameter:Parameter").map(({ inputs }) => [
        textAt(inputs, "name"),
        textAt(inputs, "value"),
      ]),
    );
  });

  const deploy = (environment: Readonly<Record<string, string>>) =>
    synthesise({ stage: "pr-1", environment, parameters });

  it("with the same variables continues", async () => {
    await expect(deploy(BEFORE)).resolves.toMatchObject({ app: { stage: "pr-1" } });
  });

  it("without a variable that is in force stops before anything is created, with both values", async () => {
    await expect(deploy({ POSTERN_DELIVERY: BEFORE.POSTERN_DELIVERY })).rejects.toThrow(
      /POSTERN_TABLE: in force is restored-settings; this deployment has the stage's own\n.*POSTERN_CONSENT=POSTERN_TABLE/su,
    );
  });

  it("continues with consent", async () => {
    const environment = { POSTERN_TABLE: BEFORE.POSTERN_TABLE, POSTERN_CONSENT: "POSTERN_DELIVERY" };
    await expect(deploy(environment)).resolves.toMatchObject({ app: { stage: "pr-1" } });
  });

  it("of another stage is not compared with this one", async () => {
    await expect(synthesise({ stage: "pr-2", parameters })).resolves.toMatchObject({
      app: { stage: "pr-2" },
    });
  });
});
