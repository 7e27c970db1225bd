import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { RunStep } from "./cached-install.ts";

export interface GoPrograms {
  /** What is built, for messages. */
  readonly what: string;
  /** Folder of the go.mod and go.sum that pin every module. */
  readonly module: string;
  /** Paths of the packages of the programs. */
  readonly programs: readonly string[];
  /** Folder for the programs. */
  readonly into: string;
}

/** Builds programs from the modules that a go.sum names; needs `go`. */
export async function buildGoPrograms(build: GoPrograms, step: RunStep): Promise<void> {
  const { what, module, programs, into } = build;
  const go = await newEnoughGo(what, step);
  // Git may refuse to name the revision of a checkout that another user owns, and the build with it.
  const flags = ["-buildvcs=false", "-o", `${into}/`];
  await step("env", ["-u", "GOROOT", go, "-C", module, "build", ...flags, ...programs]);
}

const run = promisify(execFile);

/** The newest that a go.mod of test/ asks for. */
const NEEDED_GO = { major: 1, minor: 26, release: "1.26.0" } as const;

/**
 * The `go` on PATH, or, where that is older (Debian 12 has 1.19, which fetches none by itself), the one that
 * Go's own module of toolchains brings, checked by Go like every module.
 */
async function newEnoughGo(what: string, step: RunStep): Promise<string> {
  const { stdout } = await run("go", ["env", "GOVERSION", "GOOS", "GOARCH"], { cwd: "/" }).catch(
    (cause: unknown) => {
      throw new Error(`there is no go on PATH to build ${what} with (Debian: apt-get install golang-go)`, {
        cause,
      });
    },
  );
  const [version = "", os = "", architecture = ""] = stdout.trim().split("\n");
  const [major = 0, minor = 0] = /^go(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  if (major > NEEDED_GO.major || (major === NEEDED_GO.major && minor >= NEEDED_GO.minor)) return "go";
  const module = `golang.org/toolchain@v0.0.1-go${NEEDED_GO.release}.${os}-${architecture}`;
  const downloaded = await run("go", ["mod", "download", "-json", module], {
    cwd: "/",
    timeout: DOWNLOAD_LIMIT_MS,
  });
  const { Dir: directory } = JSON.parse(downloaded.stdout) as { readonly Dir: string };
  // Files of a module are not executable.
  await step("chmod", ["-R", "u+x", join(directory, "bin"), join(directory, "pkg/tool")]);
  return join(directory, "bin/go");
}

const DOWNLOAD_LIMIT_MS = 10 * 60_000;
