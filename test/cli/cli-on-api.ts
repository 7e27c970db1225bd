import { type ApiUnderTest, TOKEN } from "../support/api.ts";
import { type CliOptions, type CliRun, runCli } from "./run-cli.ts";

/** A request of the command line, as a test may change it. */
export type Send = (request: Request) => Promise<Response>;

export const sendTo =
  (api: Pick<ApiUnderTest, "app">): Send =>
  async (request) =>
    api.app.request(request);

/** Runs a command line on an API in this process; its calls carry the test's token. */
export function cliOn(send: Send, options: CliOptions = {}): (...argv: readonly string[]) => Promise<CliRun> {
  const env = { POSTERN_URL: "http://api.test", POSTERN_TOKEN: TOKEN };
  const fetch: typeof globalThis.fetch = (input, init) => send(new Request(input, init));
  return (...argv) => runCli(argv, { env, fetch, ...options });
}
