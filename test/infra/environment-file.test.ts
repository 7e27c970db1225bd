import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, inject, it } from "vitest";
import { PLATFORM, ROOT } from "./harness/program.ts";

const SST = join(ROOT, "infra/tooling/node_modules/.bin/sst");
const CONFIG = `export default $config({
  app: () => ({ name: "postern", home: "local" }),
  run: async () => undefined,
});`;

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "postern-environment-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * The POSTERN variables that the `sst` binary starts a deployment's program with. Pulumi is a script that
 * writes them down.
 */
function variablesOf(
  files: Readonly<Record<string, string>>,
  shell: Readonly<Record<string, string>>,
): string {
  const written = join(folder, "variables");
  const programs = join(folder, "home/.config/sst/bin");
  mkdirSync(programs, { recursive: true });
  for (const name of ["bun", "pulumi"]) {
    writeFileSync(join(programs, name), `#!/bin/sh\nenv | grep ^POSTERN_ | sort > '${written}'\nexit 1\n`);
    chmodSync(join(programs, name), 0o755);
  }
  mkdirSync(join(folder, ".sst"));
  symlinkSync(PLATFORM, join(folder, ".sst/platform"));
  writeFileSync(join(folder, "sst.config.ts"), CONFIG);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  // SST leaves a log in the temporary directory.
  const environment = { PATH: process.env["PATH"], HOME: join(folder, "home"), TMPDIR: folder };
  spawnSync(SST, ["diff", "--stage", "scratch"], {
    cwd: folder,
    env: { ...environment, SST_SKIP_DEPENDENCY_CHECK: "true", SST_TELEMETRY_DISABLED: "1", ...shell },
  });
  return readFileSync(written, "utf8");
}

it.skipIf(!inject("isSstUnpacked"))(
  "sst reads .env.<stage> of a stage, and takes it before the shell, before .env and before other stages",
  () => {
    const files = {
      ".env": "POSTERN_TABLE=of-env\nPOSTERN_ZONES=2\n",
      ".env.scratch": "POSTERN_TABLE=of-stage\nPOSTERN_DELIVERY=smtp://relay.example:587\n",
      ".env.production": "POSTERN_SMTP_NAME=mx.example.net\n",
    };
    const shell = { POSTERN_TABLE: "of-shell", POSTERN_CONSENT: "POSTERN_TABLE" };
    expect(variablesOf(files, shell).trim().split("\n")).toEqual([
      "POSTERN_CONSENT=POSTERN_TABLE",
      "POSTERN_DELIVERY=smtp://relay.example:587",
      "POSTERN_TABLE=of-stage",
      "POSTERN_ZONES=2",
    ]);
  },
);
