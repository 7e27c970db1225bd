import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { NODES } from "../support/packed-package.ts";
import { CliProject } from "./packed-cli.ts";

let project: CliProject;
let dataDir = "";
let env: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  project = new CliProject();
  dataDir = newDataDir();
  const postern = new PosternProcess(dataDir);
  const { api } = await postern.started();
  env = { POSTERN_URL: httpUrl(api), POSTERN_TOKEN: postern.token };
});

afterAll(async () => {
  await endAll();
  project.remove();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("the packed command line in an empty project", () => {
  it("is its code, licences, README and the schema of the file alone", () => {
    expect(project.packed.toSorted()).toEqual([
      "LICENSE",
      "README.md",
      "dist/THIRD-PARTY-LICENSES.txt",
      "dist/postern.js",
      "package.json",
      "postern.schema.json",
    ]);
    expect(JSON.parse(project.readPacked("package.json"))).not.toHaveProperty("dependencies");
  });

  it("imports modules of Node alone", () => {
    const imported = [
      ...project.readPacked("dist/postern.js").matchAll(/^import .*from "(?<name>[^"]+)";$/gmu),
    ];
    expect(imported.length).toBeGreaterThan(3);
    expect(imported.filter(({ groups }) => groups?.["name"]?.startsWith("node:") !== true)).toEqual([]);
  });

  it("runs as the command `postern`", async () => {
    const { version } = JSON.parse(project.readPacked("package.json")) as { version: string };
    expect(await project.run(["--version"])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  });

  it.each(NODES)("creates, changes and deletes a domain under Node $major", async ({ program, major }) => {
    const run = async (...argv: readonly string[]) => project.run(argv, { env, node: program });
    const name = `node${major}.example`;
    expect((await run("domains", "put", name)).exitCode).toBe(0);
    const set = await run("set", name, "level=require");
    expect(set).toMatchObject({ exitCode: 0, stderr: "" });
    expect(set.stdout).toContain("tls.server.level: accept → require\n");
    const status = await run("status", name, "--wait", "--json");
    expect(status).toMatchObject({ exitCode: 0, stderr: "" });
    expect(JSON.parse(status.stdout)).toMatchObject({ edges: { live: [{ atRevision: true }] } });
    expect((await run("domains", "delete", name)).exitCode).toBe(0);
    expect((await run("domains", "get", name)).exitCode).toBe(1);
  });

  it("logs in with a token from stdin, and keeps it where only the owner reads it", async () => {
    const login = ["login", "--url", env["POSTERN_URL"] ?? "", "--token-stdin"];
    expect(await project.run(login, { stdin: `${env["POSTERN_TOKEN"]}\n` })).toMatchObject({ exitCode: 0 });
    const folder = join(project.directory, ".config/postern");
    expect(readdirSync(folder)).toEqual(["profiles.json"]);
    expect(statSync(join(folder, "profiles.json")).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(await project.run(["whoami", "--json"])).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("a command that is ended", () => {
  /** An API that receives requests and answers with what `answer` writes. */
  const served = async (
    answer: Parameters<typeof createServer>[1],
  ): Promise<{ server: Server; url: string }> => {
    const server = createServer(answer ?? (() => undefined)).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  };

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s exits with %i, and prints nothing", async (signal, exitCode) => {
    const { server, url } = await served(() => undefined);
    const child = spawn(project.program, ["whoami"], {
      env: { PATH: process.env["PATH"], POSTERN_URL: url, POSTERN_TOKEN: "postern_token" },
    });
    const printed = Promise.all([text(child.stdout), text(child.stderr)]);
    await once(server, "request");
    child.kill(signal);
    const [code] = (await once(child, "close")) as [number | null];
    server.closeAllConnections();
    server.close();
    expect({ code, printed: await printed }).toEqual({ code: exitCode, printed: ["", ""] });
  });

  it("by a reader that has gone prints no error", async () => {
    const items = Array.from({ length: 50 }, (_, index) => ({
      id: `tok_${index}`,
      label: "x".repeat(200),
      scopes: [],
    }));
    let pages = 0;
    const { server, url } = await served((_request, response) => {
      pages++;
      response.setHeader("content-type", "application/json");
      // Endless: only the reader that has gone ends it.
      response.end(JSON.stringify({ items, unreadable: [], nextCursor: `after-${pages}` }));
    });
    const child = spawn(
      "bash",
      ["--norc", "-c", 'set -o pipefail; "$0" tokens list --json | head -n 1', project.program],
      {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: process.env["PATH"], POSTERN_URL: url, POSTERN_TOKEN: "postern_token" },
      },
    );
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number]>,
    ]);
    server.closeAllConnections();
    server.close();
    expect({ lines: stdout.split("\n").length, stderr, code }).toEqual({ lines: 2, stderr: "", code: 141 });
    expect(pages).toBeGreaterThan(0);
  });
});
