import { join } from "node:path";
import { installOnce, installVenv, type RunStep, venvPython } from "../cached-install.ts";

/** The pinned emulators and the programs that start them. */
export const EMULATORS = join(import.meta.dirname, "../../aws/emulators");

export interface InstalledEmulators {
  /** DynamoDB Local's jars and native libraries. */
  readonly jars: string;
  /** The Python that has moto. */
  readonly python: string;
}

const POM = join(EMULATORS, "pom.xml");
const REQUIREMENTS = join(EMULATORS, "requirements.txt");

/**
 * Fetches both emulators once for each pinned set of versions, outside of the repository. Needs `mvn` (with a
 * JDK) and `python3` with venv.
 */
export async function installEmulators(): Promise<InstalledEmulators> {
  const install = { what: "the emulators for AWS", pins: [POM, REQUIREMENTS] };
  const home = await installOnce(install, (folder, step) =>
    Promise.all([installJars(jarsIn(folder), step), installVenv(folder, REQUIREMENTS, step)]),
  );
  return { jars: jarsIn(home), python: venvPython(home) };
}

const jarsIn = (home: string): string => join(home, "jars");

const installJars = (jars: string, step: RunStep): Promise<void> =>
  step("mvn", [
    "--batch-mode",
    "--quiet",
    "--file",
    POM,
    "dependency:copy-dependencies",
    `-DoutputDirectory=${jars}`,
    "-DincludeScope=runtime",
  ]);
