import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { isUnpacked, NOT_UNPACKED } from "./unpack-sst.ts";

/** Type-checks infra/ by its own tsconfig, where SST's types are; elsewhere says that it did not. */
const ROOT = join(import.meta.dirname, "..");

if (isUnpacked()) {
  const { status } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", "tsconfig.infra.json"], {
    cwd: ROOT,
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  process.stdout.write(`infra/ is not type-checked: ${NOT_UNPACKED}; npm run test:infra does\n`);
}
