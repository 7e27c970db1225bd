import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../cli/src/main.ts");
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";

let home = "";
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "postern-terminal-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Runs `postern login` on a terminal, and types each text as soon as its prompt is there. */
async function logIn(typed: readonly (readonly [prompt: string, text: string])[]) {
  // script(1) gives the program a terminal, and its own exit code is the program's.
  const child = spawn("script", ["-qfec", `"${process.execPath}" "${MAIN}" login`, "/dev/null"], {
    env: { PATH: process.env["PATH"], HOME: home, TERM: "xterm", SHELL: "/bin/sh" },
  });
  let shown = "";
  const left = [...typed];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    const [next] = left;
    if (next !== undefined && shown.includes(next[0])) {
      left.shift();
      child.stdin.write(next[1]);
    }
  });
  const [exitCode] = (await once(child, "close")) as [number];
  return { exitCode, shown, isWritten: existsSync(join(home, ".config/postern/profiles.json")) };
}

it("asks for a token without showing it, and takes the line as it was typed", async () => {
  const tokens: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ account: "default", name: "token", scopes: ["operator"] }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { exitCode, shown, isWritten } = await logIn([
    ["URL of the API: ", `http://127.0.0.1:${port}\r`],
    ["Token (empty = AWS credentials): ", "postern_secret\r"],
  ]);
  server.closeAllConnections();
  server.close();
  expect(shown).not.toContain("postern_secret");
  expect({ exitCode, tokens, isWritten }).toEqual({
    exitCode: 0,
    tokens: ["Bearer postern_secret"],
    isWritten: true,
  });
});

it.each([
  ["Ctrl-C", [["URL of the API: ", CTRL_C]], 130],
  [
    "Ctrl-C at the token",
    [
      ["URL of the API: ", "https://postern.example\r"],
      ["Token", `secret${CTRL_C}`],
    ],
    130,
  ],
  ["Ctrl-D", [["URL of the API: ", CTRL_D]], 1],
] as const)("ends at a prompt by %s, and writes nothing", async (_, typed, code) => {
  const { exitCode, shown, isWritten } = await logIn(typed);
  expect({ exitCode, isWritten }).toEqual({ exitCode: code, isWritten: false });
  expect(shown).not.toContain("secret");
});
