import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedInstall, installOnce, type RunStep } from "../cached-install.ts";

const MODULE = join(import.meta.dirname, "../../peers/pebble");
const INSTALL = { what: "Pebble", pins: [join(MODULE, "go.mod"), join(MODULE, "go.sum")] };
const COMMANDS = "github.com/letsencrypt/pebble/v2/cmd";

export interface PebblePrograms {
  readonly pebble: string;
  /** Answers challenges: DNS and HTTP. */
  readonly challengeServer: string;
}

const programsIn = (home: string): PebblePrograms => ({
  pebble: join(home, "bin/pebble"),
  challengeServer: join(home, "bin/pebble-challtestsrv"),
});

/** What test/peers/pebble/go.mod asks for. */
const NEEDED_GO = { major: 1, minor: 25, release: "1.25.0" } as const;

/**
 * Built once for each pinned set of versions, outside of the repository; needs `go`, and the modules that
 * test/peers/pebble/go.sum names.
 */
export const installPebble = async (): Promise<PebblePrograms> =>
  programsIn(
    await installOnce(INSTALL, async (home, step) => {
      const go = await newEnoughGo(step);
      const output = `${join(home, "bin")}/`;
      const commands = [`${COMMANDS}/pebble`, `${COMMANDS}/pebble-challtestsrv`];
      // Git may refuse to name the revision of a checkout that another user owns, and the build with it.
      const flags = ["-buildvcs=false", "-o", output];
      await step("env", ["-u", "GOROOT", go, "-C", MODULE, "build", ...flags, ...commands]);
    }),
  );

/** undefined = it is not installed here. */
export async function installedPebble(): Promise<PebblePrograms | undefined> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? programsIn(home) : undefined;
}

const run = promisify(execFile);

/**
 * The `go` on PATH, or, where that is older (Debian 12 has 1.19, which fetches none by itself), the one that
 * Go's own module of toolchains brings, checked by Go like every module.
 */
async function newEnoughGo(step: RunStep): Promise<string> {
  const { stdout } = await run("go", ["env", "GOVERSION", "GOOS", "GOARCH"], { cwd: "/" }).catch(
    (cause: unknown) => {
      throw new Error(
        "Pebble is built by Go, and there is no go on PATH (Debian: apt-get install golang-go)",
        {
          cause,
        },
      );
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
