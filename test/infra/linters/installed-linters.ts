import type { TestProject } from "vitest/node";
import { installedLinters, installLinters } from "./run-linters.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The Python that has cfn-lint and parliament; null = their tests are skipped. */
    readonly infraLinters: string | null;
  }
}

/**
 * Installs the linters of infra/ where `POSTERN_INFRA=required` asks for them; elsewhere takes what is
 * installed.
 */
export async function setup(project: TestProject): Promise<void> {
  const isRequired = process.env["POSTERN_INFRA"] === "required";
  const python = isRequired ? await installLinters() : await installedLinters();
  project.provide("infraLinters", python);
  if (python === null)
    process.stderr.write("infra: no cfn-lint and parliament here; npm run test:infra installs them\n");
}
