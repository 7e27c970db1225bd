import { CommandError } from "./command-error.ts";
import type { Effects } from "./effects.ts";

export const DEFAULT_PROFILE = "default";

/** An API and the token for it; null = requests are signed with AWS credentials. */
export interface Profile {
  readonly url: string;
  readonly token: string | null;
}

interface Profiles {
  readonly path: string;
  readonly profiles: ReadonlyMap<string, Profile>;
}

const MAX_BYTES = 1_000_000;
const OTHERS = 0o077;
const OWNER_ONLY = 0o600;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u;

/** The file of the profiles (XDG Base Directory Specification). */
function profilesPath(env: Effects["env"]): string {
  const configured = env["XDG_CONFIG_HOME"] ?? "";
  // The specification has relative paths ignored.
  const folder = configured.startsWith("/") ? configured : `${env["HOME"] ?? ""}/.config`;
  return `${folder}/postern/profiles.json`;
}

/** @throws CommandError if the file can be read by others, or is not one of profiles. */
export async function readProfiles({ env, files }: Pick<Effects, "env" | "files">): Promise<Profiles> {
  const path = profilesPath(env);
  const mode = await files.mode(path);
  if (mode === null) return { path, profiles: new Map() };
  if ((mode & OTHERS) !== 0)
    throw new CommandError(`${path} can be read or written by other users`, {
      hint: `It holds tokens: chmod 600 ${path}`,
    });
  return { path, profiles: parseProfiles(await files.read(path, MAX_BYTES), path) };
}

/** Adds or replaces one profile. */
export async function writeProfile(effects: Effects, name: string, profile: Profile): Promise<string> {
  const { path, profiles } = await readProfiles(effects);
  const all = Object.fromEntries(new Map([...profiles, [name, profile]]));
  await effects.files.write(path, `${JSON.stringify({ profiles: all }, null, 2)}\n`, OWNER_ONLY);
  return path;
}

export function checkedProfileName(name: string): string {
  if (!NAME.test(name))
    throw new CommandError("the name of a profile has letters, digits, dot, dash and underscore");
  return name;
}

function parseProfiles(text: string, path: string): ReadonlyMap<string, Profile> {
  const bad = (cause?: unknown): CommandError =>
    new CommandError(`${path} is not a file of profiles`, {
      hint: "Remove it, and run `postern login` again.",
      cause,
    });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw bad(error);
  }
  const entries = isObject(document) && isObject(document["profiles"]) ? document["profiles"] : null;
  if (entries === null) throw bad();
  return new Map(
    Object.entries(entries).map(([name, entry]) => {
      const { url, token } = isObject(entry) ? entry : {};
      if (typeof url !== "string" || (typeof token !== "string" && token !== null)) throw bad();
      return [name, { url, token }];
    }),
  );
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
