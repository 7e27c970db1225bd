import { describe, expect, it } from "vitest";
import { runCli } from "../../../test/cli/run-cli.ts";

describe("the command line", () => {
  it("prints help with an example for a command, and exits with 0", async () => {
    const { exitCode, stdout, stderr } = await runCli(["whoami", "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain("Example:\n  $ postern whoami\n");
  });

  it("says where credentials come from when there are none", async () => {
    const { exitCode, stdout, stderr } = await runCli(["whoami"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toBe(
      "postern: no API is configured\nhint: `postern login` writes a profile; or set POSTERN_URL and POSTERN_TOKEN.\n",
    );
  });
});
