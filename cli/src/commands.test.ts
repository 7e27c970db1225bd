import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { runCli } from "../../test/cli/run-cli.ts";
import { COMMAND_TABLE } from "./commands.ts";

const { commands, groups } = COMMAND_TABLE;

describe("every command", () => {
  it.each(commands)("$path has help with its own example", async ({ path, example, summary }) => {
    const { exitCode, stdout, stderr } = await runCli([...path.split(" "), "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(summary);
    expect(stdout).toContain(`Example:\n  $ ${example}\n`);
    expect(example).toMatch(new RegExp(`(?:^|[(| ])postern ${path}(?: |$)`, "u"));
  });

  it("stands under a word that has a summary", () => {
    const parents = commands.flatMap(({ path }) => (path.includes(" ") ? [path.split(" ")[0]] : []));
    expect(new Set(parents)).toEqual(new Set(Object.keys(groups)));
  });

  it.each([
    [["domains"]],
    [["domains", "lst"]],
    [["nothing"]],
    [["domains", "list", "--nothing"]],
    [["set"]],
    [["certificates", "create"]],
  ])("is a mistake that exits with 1 and a hint: %j", async (argv) => {
    const { exitCode, stdout, stderr } = await runCli(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/Usage: postern|hint: /u);
  });
});

describe("help", () => {
  it.each([
    [["bogus", "--help"]],
    [["domains", "bogus", "--help"]],
    [["--json", "bogus", "-h"]],
    [["--account", "acme", "domains", "lst", "--help"]],
  ])("is a mistake for a command that does not exist: %j", async (argv) => {
    const { exitCode, stdout, stderr } = await runCli(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/bogus|lst/u);
  });

  it.each([
    [["--help"]],
    [["-h"]],
    [["domains", "--help"]],
    [["--account", "acme", "domains", "list", "--help"]],
    [["set", "example.com", "--help"]],
    [["help", "domains"]],
  ])("is printed for one that does: %j", async (argv) => {
    const { exitCode, stdout, stderr } = await runCli(argv);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^Usage: postern/u);
  });
});

describe("the completion of bash", () => {
  /** What bash offers after these words, the last of which is being typed. */
  async function offered(...words: readonly string[]): Promise<readonly string[]> {
    const { stdout: script } = await runCli(["completion", "bash"]);
    const program = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", program, "bash", "postern", ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(stderr).toBe("");
    return stdout.split("\n").filter((word) => word !== "");
  }

  it("offers commands, their words, options and choices", async () => {
    expect(await offered("dom")).toEqual(["domains"]);
    expect(await offered("domains", "")).toEqual(
      expect.arrayContaining(["list", "get", "put", "set", "delete"]),
    );
    expect(await offered("--json", "domains", "list", "--pre")).toEqual(["--prefix"]);
    expect(await offered("certificates", "create", "--source", "ac")).toEqual(["acme", "acm"]);
    expect(await offered("set", "example.com", "--if")).toEqual(["--if-match"]);
    expect(await offered("completion", "z")).toEqual(["zsh"]);
  });
});
