import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { isUnpacked, NOT_UNPACKED } from "./unpack-sst.ts";

/**
 * Type-checks infra/ by its own tsconfig, against SST's types. Fails where SST is not unpacked, since a check
 * that passes without reading infra/ would hide a fault; `POSTERN_INFRA=skip` leaves infra/ out.
 */
const ROOT = join(import.meta.dirname, "..");

function check(): number {
  const { status, error } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", "tsconfig.infra.json"], {
    cwd: ROOT,
    stdio: "inherit",
  });
  if (error !== undefined) throw error;
  return status ?? 1;
}

if (isUnpacked()) process.exitCode = check();
else if (process.env["POSTERN_INFRA"] === "skip")
  process.stdout.write("check:types: infra/ is left out (POSTERN_INFRA=skip)\n");
else {
  process.exitCode = 1;
  process.stderr.write(
    `check:types: infra/ cannot be checked: ${NOT_UNPACKED}. Run that, or leave infra/ out: POSTERN_INFRA=skip npm run check\n`,
  );
}
