import { describe, expect, it } from "vitest";
import { startApi, TOKEN } from "../../test/support/api.ts";
import { type CliOptions, type MemoryFile, runCli } from "../../test/cli/run-cli.ts";

const URL_OF_API = "https://postern.example";
const PATH = "/home/user/.config/postern/profiles.json";
const env = { HOME: "/home/user" };

async function started() {
  const api = await startApi();
  const files = new Map<string, MemoryFile>();
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    asked.push(`${request.url} ${request.headers.get("authorization")}`);
    return api.app.fetch(request);
  };
  const run = async (argv: readonly string[], options: CliOptions = {}) =>
    runCli(argv, { env, files, fetch, ...options });
  const logIn = async (...more: readonly string[]) =>
    run(["login", "--url", URL_OF_API, "--token-stdin", ...more], { stdin: `${TOKEN}\n` });
  return { run, logIn, files, asked };
}

describe("login", () => {
  it("keeps URL and token in a file of the owner alone, after the API has accepted them", async () => {
    const { run, logIn, files } = await started();
    const { exitCode, stdout, stderr } = await logIn();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).not.toContain(TOKEN);
    expect(files.get(PATH)?.mode).toBe(0o600);
    expect(JSON.parse(files.get(PATH)?.text ?? "")).toEqual({
      profiles: { default: { url: URL_OF_API, token: TOKEN } },
    });
    expect((await run(["whoami"])).exitCode).toBe(0);
  });

  it("says where there is no API, and what the URL should be", async () => {
    const { run } = await started();
    const argv = ["login", "--url", `${URL_OF_API}/docs`, "--token-stdin"];
    const { exitCode, stderr } = await run(argv, { stdin: TOKEN });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^postern: not-found: https:\/\/postern\.example\/docs: .+\nhint: --url is where /u,
    );
  });

  it("asks for URL and token on a terminal", async () => {
    const { run, files } = await started();
    expect((await run(["login"], { typed: [URL_OF_API, TOKEN] })).exitCode).toBe(0);
    expect(files.get(PATH)?.text).toContain(TOKEN);
  });

  it("writes nothing for a token that the API rejects", async () => {
    const { run, files } = await started();
    const argv = ["login", "--url", URL_OF_API, "--token-stdin"];
    const { exitCode, stdout, stderr } = await run(argv, { stdin: "postern_wrong_secret" });
    expect({ exitCode, stdout, files: files.size }).toEqual({ exitCode: 1, stdout: "", files: 0 });
    expect(stderr).toMatch(/^postern: unauthenticated: /u);
    expect(stderr).not.toContain("postern_wrong_secret");
  });

  it.each([
    [["--url", "ftp://postern.example", "--token-stdin"], /url must be an http or https URL/u],
    [["--url", "https://user:secret@postern.example", "--token-stdin"], /without credentials/u],
    [["--url", URL_OF_API], /stdin is not a terminal/u],
    [["--url", URL_OF_API, "--token-stdin", "--profile", "../etc"], /name of a profile/u],
  ])("rejects %j", async (argv, reason) => {
    const { run, files } = await started();
    const { exitCode, stderr } = await run(["login", ...argv], { stdin: TOKEN });
    expect({ exitCode, files: files.size }).toEqual({ exitCode: 1, files: 0 });
    expect(stderr).toMatch(reason);
  });

  it("keeps other profiles, and --profile picks one", async () => {
    const { run, logIn, files } = await started();
    await logIn();
    await logIn("--profile", "staging");
    expect(Object.keys((JSON.parse(files.get(PATH)?.text ?? "") as { profiles: object }).profiles)).toEqual([
      "default",
      "staging",
    ]);
    expect((await run(["whoami", "--profile", "staging"])).exitCode).toBe(0);
    expect((await run(["whoami", "--profile", "absent"])).stderr).toMatch(/profile absent not found/u);
  });
});

describe("the profile file", () => {
  it.each([0o640, 0o604, 0o620, 0o644])("is not read with mode %o", async (mode) => {
    const { run, logIn, files } = await started();
    await logIn();
    files.set(PATH, { text: files.get(PATH)?.text ?? "", mode });
    for (const result of [await run(["whoami"]), await logIn()]) {
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toBe(
        `postern: ${PATH} can be read or written by other users\nhint: It holds tokens: chmod 600 ${PATH}\n`,
      );
    }
  });

  it.each([
    "",
    "[]",
    '{"profiles":{"default":{"url":1,"token":"x"}}}',
    '{"profiles":{"default":{"url":"https://a"}}}',
  ])("is rejected as %j", async (text) => {
    const { run, files } = await started();
    files.set(PATH, { text, mode: 0o600 });
    expect((await run(["whoami"])).stderr).toMatch(/is not a file of profiles/u);
  });

  it("lies in XDG_CONFIG_HOME if that is an absolute path", async () => {
    const { run, files } = await started();
    const argv = ["login", "--url", URL_OF_API, "--token-stdin"];
    await run(argv, { stdin: TOKEN, env: { ...env, XDG_CONFIG_HOME: "/config" } });
    await run(argv, { stdin: TOKEN, env: { ...env, XDG_CONFIG_HOME: "relative" } });
    expect([...files.keys()]).toEqual(["/config/postern/profiles.json", PATH]);
  });
});

describe("a token", () => {
  it("goes to no other URL than it was given for", async () => {
    const { run, logIn, asked } = await started();
    await logIn();
    asked.length = 0;
    const other = await run(["whoami"], { env: { ...env, POSTERN_URL: "https://other.example" } });
    expect(other.stderr).toMatch(/no token for https:\/\/other\.example/u);
    const alone = await run(["whoami"], { env: { ...env, POSTERN_TOKEN: "postern_other" } });
    expect(alone.stderr).toMatch(/POSTERN_TOKEN is set, and POSTERN_URL is not/u);
    expect(asked).toEqual([]);
  });

  it("of the environment goes before the default profile, and --profile before the environment", async () => {
    const { run, logIn, asked } = await started();
    await logIn();
    const environment = { ...env, POSTERN_URL: "https://other.example", POSTERN_TOKEN: "postern_other" };
    await run(["whoami"], { env: environment });
    await run(["whoami", "--profile", "default"], { env: environment });
    expect(asked.slice(1)).toEqual([
      "https://other.example/v1/whoami Bearer postern_other",
      `${URL_OF_API}/v1/whoami Bearer ${TOKEN}`,
    ]);
  });

  it("is replaced by AWS credentials where the URL is API Gateway's", async () => {
    const { run, asked } = await started();
    const gateway = { ...env, POSTERN_URL: "https://abc123.execute-api.eu-central-1.amazonaws.com" };
    expect((await run(["whoami"], { env: gateway })).stderr).toMatch(/AWS credentials not found/u);
    const credentials = { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: "not-a-secret" };
    await run(["whoami"], { env: { ...gateway, ...credentials } });
    expect(asked).toEqual([
      expect.stringMatching(
        /AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\/\d{8}\/eu-central-1\/execute-api\/aws4_request/u,
      ),
    ]);
    await run(["whoami"], {
      env: {
        ...credentials,
        ...env,
        POSTERN_URL: "https://abc.execute-api.eu-central-1.amazonaws.com.evil.example",
      },
    });
    expect(asked).toHaveLength(1);
  });
});
