import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { cachedInstall, installOnce } from "../cached-install.ts";

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

/** The first release that fetches the toolchain that a module asks for (go.mod, `go 1.25.0`). */
const OLDEST_GO = [1, 21] as const;

/**
 * Built once for each pinned set of versions, outside of the repository; needs `go`, and the modules that
 * test/peers/pebble/go.sum names.
 */
export const installPebble = async (): Promise<PebblePrograms> =>
  programsIn(
    await installOnce(INSTALL, async (home, step) => {
      await checkGo();
      const output = `${join(home, "bin")}/`;
      await step("go", [
        "-C",
        MODULE,
        "build",
        "-o",
        output,
        `${COMMANDS}/pebble`,
        `${COMMANDS}/pebble-challtestsrv`,
      ]);
    }),
  );

/** undefined = it is not installed here. */
export async function installedPebble(): Promise<PebblePrograms | undefined> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? programsIn(home) : undefined;
}

async function checkGo(): Promise<void> {
  const needed = `Pebble needs Go ${OLDEST_GO.join(".")} or newer, which fetches the Go that Pebble asks for`;
  const version = await promisify(execFile)("go", ["env", "GOVERSION"], { cwd: "/" }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
  if (version === null) throw new Error(`${needed}; there is no go on PATH`);
  const [major = 0, minor = 0] = /^go(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  if (major < OLDEST_GO[0] || (major === OLDEST_GO[0] && minor < OLDEST_GO[1]))
    throw new Error(`${needed}; here is ${version} (Debian 12 has 1.19: install a newer one from go.dev)`);
}
