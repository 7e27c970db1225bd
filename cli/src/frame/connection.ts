import { type Auth, createPostern, type Postern } from "../../../sdk/src/index.ts";
import { sigv4 } from "../../../sdk/src/sigv4.ts";
import { CommandError } from "./command-error.ts";
import type { Effects } from "./effects.ts";
import { DEFAULT_PROFILE, type Profile, readProfiles } from "./profiles.ts";

/** Choices of the command line. */
export interface ConnectionOptions {
  readonly profile: string | undefined;
  readonly account: string | undefined;
  /** Is called with the status and seconds of an answer after which no request is sent for a while. */
  readonly onPause: (status: number, seconds: number) => void;
}

/** Hosts of API Gateway, which name their region. */
const API_GATEWAY = /^[a-z0-9-]+\.execute-api\.(?<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/u;

/**
 * Client of the API. URL and token come from one place: the profile that `--profile` names, or the
 * environment where it has POSTERN_URL, or the profile `default`. So no token is sent to another URL than it
 * was given for.
 *
 * @throws CommandError if there is none, or the profile file is not private.
 */
export async function connect(effects: Effects, options: ConnectionOptions): Promise<Postern> {
  const { url, token } = await placeOf(effects, options.profile);
  const { account, onPause } = options;
  const fetch = withPauses(effects.fetch, onPause);
  return clientOf({ ...effects, fetch }, { url, auth: authOf({ url, token }, effects.env), account });
}

/** Reports when an answer asks to wait before the next request. */
function withPauses(fetch: Effects["fetch"], onPause: ConnectionOptions["onPause"]): Effects["fetch"] {
  return async (input, init) => {
    const response = await fetch(input, init);
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    if (seconds >= LONG_PAUSE_S) onPause(response.status, seconds);
    return response;
  };
}

/** A pause that a person notices. */
const LONG_PAUSE_S = 2;

interface ClientOptions {
  readonly url: string;
  readonly auth: Auth;
  readonly account?: string | undefined;
}

export function clientOf(effects: Effects, { url, auth, account }: ClientOptions): Postern {
  const { fetch, clock, signal } = effects;
  try {
    return createPostern({
      url,
      auth,
      fetch,
      signal,
      effects: clock,
      ...(account === undefined ? {} : { account }),
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandError(error.message, { cause: error });
  }
}

async function placeOf(effects: Effects, profile: string | undefined): Promise<Profile> {
  const { env } = effects;
  const url = env["POSTERN_URL"] ?? "";
  const token = env["POSTERN_TOKEN"] ?? "";
  if (profile === undefined && url !== "") return { url, token: token === "" ? null : token };
  if (profile === undefined && token !== "")
    throw new CommandError("POSTERN_TOKEN is set, and POSTERN_URL is not", {
      hint: "Set both, or neither: a token is only sent to the URL that it was given for.",
    });
  const name = profile ?? DEFAULT_PROFILE;
  const found = (await readProfiles(effects)).profiles.get(name);
  if (found !== undefined) return found;
  throw new CommandError(profile === undefined ? "no API is configured" : `profile ${name} not found`, {
    hint: "`postern login` writes a profile; or set POSTERN_URL and POSTERN_TOKEN.",
  });
}

/** A token, or where API Gateway answers and there is none, the AWS credentials of the environment. */
export function authOf({ url, token }: Profile, env: Effects["env"]): Auth {
  if (token !== null) return { token };
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const region = API_GATEWAY.exec(parsed?.hostname ?? "")?.groups?.["region"];
  // The origin alone: a URL may have a password.
  if (region === undefined)
    throw new CommandError(`no token for ${parsed?.origin ?? "this URL"}`, {
      hint: "Set POSTERN_TOKEN, or run `postern login`.",
    });
  const accessKeyId = env["AWS_ACCESS_KEY_ID"] ?? "";
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"] ?? "";
  if (accessKeyId === "" || secretAccessKey === "")
    throw new CommandError("AWS credentials not found", {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: eval "$(aws configure export-credentials --format env)".',
    });
  const sessionToken = env["AWS_SESSION_TOKEN"] ?? "";
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === "" ? {} : { sessionToken }) };
  return sigv4({ region, credentials });
}
