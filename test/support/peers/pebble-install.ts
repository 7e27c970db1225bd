import { join } from "node:path";
import { cachedInstall, installOnce } from "../cached-install.ts";
import { buildGoPrograms } from "../go-programs.ts";

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

/**
 * Built once for each pinned set of versions, outside of the repository; needs `go`, and the modules that
 * test/peers/pebble/go.sum names.
 */
export const installPebble = async (): Promise<PebblePrograms> =>
  programsIn(
    await installOnce(INSTALL, (home, step) =>
      buildGoPrograms(
        {
          what: INSTALL.what,
          module: MODULE,
          programs: [`${COMMANDS}/pebble`, `${COMMANDS}/pebble-challtestsrv`],
          into: join(home, "bin"),
        },
        step,
      ),
    ),
  );

/** undefined = it is not installed here. */
export async function installedPebble(): Promise<PebblePrograms | undefined> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? programsIn(home) : undefined;
}
