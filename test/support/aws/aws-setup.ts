import type { TestProject } from "vitest/node";
import { startEmulators } from "./start-emulators.ts";

/** Why a run of `npm test` does not need them, and how to run them all the same. */
const SKIPPED = "aws: skipped; `npm run test:aws` runs them (needs java, mvn and python3 with venv)";

declare module "vitest" {
  interface ProvidedContext {
    /** Variables for the SDK; null = the tests are skipped. */
    readonly awsEnvironment: Readonly<Record<string, string>> | null;
  }
}

/**
 * Starts what test/aws talks to. `POSTERN_AWS` says what that is: `emulators`, which are installed and
 * started here, and a run without them fails; `given`, whatever the SDK's own `AWS_*` variables name, an
 * account too; unset, nothing.
 */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const wanted = process.env["POSTERN_AWS"] ?? "";
  switch (wanted) {
    case "":
      process.stderr.write(`${SKIPPED}\n`);
      project.provide("awsEnvironment", null);
      return undefined;
    case "given":
      project.provide("awsEnvironment", {});
      return undefined;
    case "emulators": {
      const emulators = await startEmulators();
      project.provide("awsEnvironment", emulators.environment);
      return () => emulators.stop();
    }
    default:
      throw new TypeError(`POSTERN_AWS is emulators, given or unset, not ${wanted}`);
  }
}
