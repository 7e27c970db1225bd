import type { TestProject } from "vitest/node";
import { isUnpacked, NOT_UNPACKED, unpack } from "../../../scripts/unpack-sst.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly isSstUnpacked: boolean;
  }
}

/**
 * Says once that SST is not unpacked here; the tests of infra/ are then skipped. With
 * `POSTERN_INFRA=required`, as in `npm run test:infra` and in CI, it is unpacked first.
 */
export function setup(project: TestProject): void {
  if (!isUnpacked() && process.env["POSTERN_INFRA"] === "required") unpack();
  project.provide("isSstUnpacked", isUnpacked());
  if (!isUnpacked()) process.stderr.write(`infra: ${NOT_UNPACKED}; its tests are skipped\n`);
}
