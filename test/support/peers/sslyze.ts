import { join } from "node:path";
import { cachedInstall, installOnce, installVenv } from "../cached-install.ts";

const REQUIREMENTS = join(import.meta.dirname, "../../peers/sslyze/requirements.txt");
const INSTALL = { what: "sslyze", pins: [REQUIREMENTS] };
const programIn = (home: string): string => join(home, "venv/bin/sslyze");

/**
 * Fetched once for each pinned set of versions, outside of the repository; needs `python3` with venv.
 * @returns the program.
 */
export const installSslyze = async (): Promise<string> =>
  programIn(await installOnce(INSTALL, (home, step) => installVenv(home, REQUIREMENTS, step)));

/** undefined = it is not installed here. */
export async function installedSslyze(): Promise<string | undefined> {
  const { home, isComplete } = await cachedInstall(INSTALL);
  return isComplete ? programIn(home) : undefined;
}
