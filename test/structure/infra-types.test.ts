import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readText, ROOT } from "./source-files.ts";

const FILES = ["package.json", "tsconfig.infra.json", "scripts", "infra/tooling/package.json"];

/** A checkout whose infra/ is one file. */
function checkoutWith(infra: string): string {
  const directory = mkdtempSync(join(tmpdir(), "postern-infra-types-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of FILES) cpSync(join(ROOT, name), join(directory, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "sst.config.ts"), "export default {};\n");
  writeFileSync(join(directory, "infra/planted.ts"), infra);
  return directory;
}

/** As SST leaves it: a version, and types that name its resources. */
function unpack(directory: string): void {
  const { dependencies } = JSON.parse(readText("infra/tooling/package.json")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  mkdirSync(join(directory, ".sst/platform"), { recursive: true });
  writeFileSync(join(directory, ".sst/platform/config.d.ts"), "export {};\n");
  writeFileSync(join(directory, ".sst/platform/version"), dependencies["sst"] ?? "");
}

function check(cwd: string, given?: string) {
  const { POSTERN_INFRA: _ours, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/check-infra-types.ts"], {
    cwd,
    encoding: "utf8",
    env: given === undefined ? env : { ...env, POSTERN_INFRA: given },
  });
  return { status, stdout, stderr };
}

describe("the type check of infra/", () => {
  const SOUND = "export const size: number = 1;\n";
  const WRONG = 'export const size: number = "1";\n';

  it.each([undefined, "required"])("fails where SST is not unpacked and POSTERN_INFRA is %s", (given) => {
    const { status, stderr } = check(checkoutWith(SOUND), given);
    expect(status).toBe(1);
    expect(stderr).toContain("node scripts/unpack-sst.ts");
    expect(stderr).toContain("POSTERN_INFRA=skip npm run check");
  });

  it("is left out with POSTERN_INFRA=skip where SST is not unpacked", () => {
    expect(check(checkoutWith(SOUND), "skip")).toEqual({
      status: 0,
      stdout: "check:types: infra/ is left out (POSTERN_INFRA=skip)\n",
      stderr: "",
    });
  });

  it.each([
    ["passes sound types", SOUND, 0, ""],
    ["fails with a wrong one", WRONG, 1, "infra/planted.ts(1,14): error TS2322"],
  ])("%s where SST is unpacked", (_title, infra, status, said) => {
    const directory = checkoutWith(infra);
    unpack(directory);
    const found = check(directory);
    expect(found.status).toBe(status);
    expect(found.stdout).toContain(said);
  });
});

it(".ci/run unpacks SST before npm run check", () => {
  const script = readText(".ci/run");
  expect(script.indexOf("node scripts/unpack-sst.ts")).toBeGreaterThan(0);
  expect(script.indexOf("node scripts/unpack-sst.ts")).toBeLessThan(script.indexOf("\nnpm run check"));
});
