import { describe, expect, it } from "vitest";
import { runCli } from "../../../test/cli/run-cli.ts";

describe("the command line", () => {
  it("prints help with an example for a command, and exits with 0", async () => {
    const { exitCode, stdout, stderr } = await runCli(["whoami", "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain("Example:\n  $ postern whoami\n");
  });

  it.each([
    [{ POSTERN_URL: "http://user:secret@api.test" }, "postern: no token for http://api.test\n"],
    [{ POSTERN_URL: "secret" }, "postern: no token for this URL\n"],
    [
      { POSTERN_URL: "http://user:secret@api.test", POSTERN_TOKEN: "secret" },
      "postern: url must be an http or https URL without credentials, query and fragment\n",
    ],
    [
      { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "secret\nword" },
      "postern: token must be one word of printable ASCII\n",
    ],
    [
      { POSTERN_URL: "http://api.test", POSTERN_TOKEN: "secret\u0001" },
      "postern: token must be one word of printable ASCII\n",
    ],
  ])("shows no secret of the environment %j", async (env, message) => {
    const { exitCode, stderr } = await runCli(["whoami"], { env });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("secret");
  });

  it("says where credentials come from when there are none", async () => {
    const { exitCode, stdout, stderr } = await runCli(["whoami"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toBe(
      "postern: no API is configured\nhint: `postern login` writes a profile; or set POSTERN_URL and POSTERN_TOKEN.\n",
    );
  });
});
