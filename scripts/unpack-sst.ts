import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * Unpacks SST's platform (its components, Pulumi and the AWS provider's SDK) to `.sst/platform`, which
 * type-checking, synthesising and deploying infra/ need. It needs only packages from npm's registry, and no
 * AWS account.
 *
 *   node scripts/unpack-sst.ts           does nothing when the platform is unpacked already
 *   node scripts/unpack-sst.ts --check   only reports whether it is unpacked
 */

const ROOT = join(import.meta.dirname, "..");
const TOOLING = join(ROOT, "infra/tooling");
const PLATFORM = join(ROOT, ".sst/platform");

/** A step takes under a minute; the caller tries it again. */
const STEP_MS = 240_000;

/** What `sst install` writes last; it refers to the providers that sst.config.ts names. */
const TYPES = join(PLATFORM, "config.d.ts");

export const NOT_UNPACKED =
  "SST is not unpacked here (node scripts/unpack-sst.ts does it, 550 MB in the checkout)";

/** Whether the platform of the version that infra/tooling names is unpacked. */
export function isUnpacked(): boolean {
  const version = join(PLATFORM, "version");
  return existsSync(TYPES) && existsSync(version) && readFileSync(version, "utf8").trim() === wantedVersion();
}

/** @throws Error with the output of the step that failed. */
export function unpack(): void {
  run("npm", ["ci", "--prefix", TOOLING], {});
  // SST looks for bun under the home directory and would download it. This home directory is a separate one
  // with bun.
  const home = join(TOOLING, "node_modules/.home");
  mkdirSync(join(home, ".config/sst/bin"), { recursive: true });
  const link = join(home, ".config/sst/bin/bun");
  rmSync(link, { force: true });
  symlinkSync(bunBinary(), link);
  // An incomplete platform, or one of another version, is removed first.
  rmSync(join(ROOT, ".sst"), { recursive: true, force: true });
  run(join(TOOLING, "node_modules/.bin/sst"), ["install", "--stage", "synth"], {
    HOME: home,
    NPM_CONFIG_USERCONFIG:
      process.env["NPM_CONFIG_USERCONFIG"] ?? join(process.env["HOME"] ?? "/root", ".npmrc"),
    SST_SKIP_DEPENDENCY_CHECK: "true",
    SST_TELEMETRY_DISABLED: "1",
  });
  if (!isUnpacked()) throw new Error(`sst install left no platform ${wantedVersion()} in .sst`);
}

function wantedVersion(): string {
  const manifest = JSON.parse(readFileSync(join(TOOLING, "package.json"), "utf8")) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return manifest.dependencies["sst"] ?? "";
}

/** Its path depends on whether the package's install script ran. */
function bunBinary(): string {
  const { platform, arch } = process;
  const cpu = arch === "arm64" ? "aarch64" : arch;
  const places = ["bun/bin/bun.exe", `@oven/bun-${platform}-${cpu}/bin/bun`];
  const found = places
    .map((place) => join(TOOLING, "node_modules", place))
    .find((path) => existsSync(path) && isProgram(path));
  if (found === undefined) throw new Error("the package bun brought no program for this machine");
  return found;
}

const isProgram = (path: string): boolean => spawnSync(path, ["--version"]).status === 0;

function run(program: string, args: readonly string[], environment: Readonly<Record<string, string>>): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: "utf8",
    // A registry that does not respond would stop CI for a long time: npm waits minutes in each attempt.
    timeout: STEP_MS,
    env: { ...process.env, ...environment },
  });
  if (status === 0) return;
  throw new Error(`${program} ${args.join(" ")} failed\n${stdout}${stderr}`, { cause: error });
}

if (import.meta.main) {
  if (isUnpacked()) process.stdout.write("SST is unpacked\n");
  else if (process.argv.includes("--check")) process.exitCode = 1;
  else unpack();
}
