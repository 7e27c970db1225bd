import { PosternError } from "../../sdk/src/index.ts";
import type { CommandSpec, Context } from "./frame/command.ts";
import { CommandError, Explained } from "./frame/command-error.ts";
import { authOf, clientOf } from "./frame/connection.ts";
import { painted } from "./frame/output.ts";
import { checkedProfileName, DEFAULT_PROFILE, readProfiles, writeProfile } from "./frame/profiles.ts";

const MAX_TOKEN_BYTES = 10_000;
const TOKEN = /^[\u0021-\u007e]+$/u;
/** What answers where there is no API. */
const NO_API: ReadonlySet<string> = new Set(["not-found", "method-not-allowed", "unrecognized"]);
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/u;

export const LOGIN: CommandSpec = {
  path: "login",
  summary: "Check a token, and keep it with its URL in a profile",
  example: "postern login --url https://postern.example.com --token-stdin < token",
  options: [
    { flags: "--url <url>", about: "URL of the API; left out = asked for" },
    { flags: "--token-stdin", about: "read the token from stdin; left out = asked for" },
  ],
  async run(context) {
    const { effects, input, output } = context;
    const name = checkedProfileName(input.text("profile") ?? DEFAULT_PROFILE);
    // Before anything is asked: a file that others can read takes no token.
    await readProfiles(effects);
    const url = (input.text("url") ?? (await asked(context, "URL of the API: ", false))).trim();
    const token = await tokenOf(context);
    const profile = { url, token: token === "" ? null : token };
    const client = clientOf(effects, {
      url,
      auth: authOf(profile, effects.env),
      account: input.text("account"),
    });
    if (profile.token !== null && isPlaintext(url))
      output.note(painted("warn", "warning: "), "this URL is not https: the token is sent in plaintext");
    const caller = await client.whoami().catch((error: Error) => {
      if (!(error instanceof PosternError) || !NO_API.has(error.code)) throw error;
      const hint = "--url is where the API's paths begin: without /docs or /v1.";
      throw new Explained(error, { message: `${url}: ${error.detail}`, hint });
    });
    const path = await writeProfile(effects, name, profile);
    output.json({ profile: name, path, caller });
    output.line(`${caller.name} of account ${caller.account}: ${caller.scopes.join(" ")}`);
    output.line(`profile ${name} written to ${path}`);
  },
};

async function tokenOf(context: Context): Promise<string> {
  const { effects, input } = context;
  const text = input.flag("tokenStdin")
    ? await effects.stdin.text(MAX_TOKEN_BYTES)
    : await asked(context, "Token (empty = AWS credentials): ", true);
  const token = text.trim();
  if (token === "" && input.flag("tokenStdin")) throw new CommandError("stdin has no token");
  if (token !== "" && !TOKEN.test(token)) throw new CommandError("a token is one word of printable ASCII");
  return token;
}

async function asked({ effects }: Context, prompt: string, isHidden: boolean): Promise<string> {
  if (effects.stdin.isTerminal) return effects.stdin.ask(prompt, isHidden);
  throw new CommandError("stdin is not a terminal", { hint: "Give --url and --token-stdin." });
}

function isPlaintext(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "http:" && !LOOPBACK.test(hostname);
}
