import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { type ApiUnderTest, startApi, TOKEN } from "../support/api.ts";

const MAIN = join(import.meta.dirname, "../../cli/src/main.ts");
const FULL_DISK = "/dev/full";

async function answer(api: ApiUnderTest, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "GET", url = "/", headers } = request;
  const body = await buffer(request);
  const answered = await api.app.request(url, {
    method,
    headers: headers as Record<string, string>,
    ...(body.length === 0 ? {} : { body: new Uint8Array(body) }),
  });
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  response.end(Buffer.from(await answered.arrayBuffer()));
}

async function started() {
  const api = await startApi();
  const server = createServer((request, response) => void answer(api, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** Runs a command whose stdout, or stderr, is on a full disk. */
  const run = async (argv: readonly string[], { full = "stdout", stdin = "" } = {}) => {
    const disk = openSync(FULL_DISK, "w");
    const child = spawn(process.execPath, [MAIN, ...argv], {
      env: { PATH: process.env["PATH"], POSTERN_URL: url, POSTERN_TOKEN: TOKEN },
      stdio: ["pipe", full === "stdout" ? disk : "pipe", full === "stderr" ? disk : "pipe"],
    });
    closeSync(disk);
    child.stdin?.end(stdin);
    const [shown, [exitCode]] = await Promise.all([
      text(child[full === "stdout" ? "stderr" : "stdout"] ?? expect.fail()),
      once(child, "close") as Promise<[number]>,
    ]);
    return { exitCode, shown };
  };
  return { api, run };
}

const DOMAINS = `domains:\n${Array.from({ length: 450 }, (_, nth) => `  d${nth}.example: {}\n`).join("")}`;
const FAILURE = "postern: stdout: ENOSPC: no space left on device, write\n";

describe("output that cannot be written", () => {
  it.each(["--help", "whoami", "completion bash", "changes list --follow --after 0"])(
    "makes `%s` fail with one line",
    async (line) => {
      const { api, run } = await started();
      await api.expect(201, "PUT", "/v1/domains/a.example", { body: {} });
      await api.expect(201, "PUT", "/v1/domains/b.example", { body: {} });
      expect(await run(line.split(" "))).toEqual({ exitCode: 1, shown: FAILURE });
    },
  );

  it("is a JSON value on stderr with --json", async () => {
    const { run } = await started();
    const { exitCode, shown } = await run(["whoami", "--json"]);
    expect({ exitCode, ...JSON.parse(shown) }).toMatchObject({
      exitCode: 1,
      error: { code: null, message: "stdout: ENOSPC: no space left on device, write" },
    });
  });

  it("ends apply after the batches under way, with what is done on stderr; a second apply completes it", async () => {
    const { api, run } = await started();
    const { exitCode, shown } = await run(["apply", "-", "--no-wait"], { stdin: DOMAINS });
    expect(exitCode).toBe(1);
    const [, done] = /^stopped: (\d+) of 450 applied, \d+ not tried\.$/mu.exec(shown) ?? [];
    expect(shown).toContain(FAILURE);
    expect(shown).not.toMatch(/^ +at /mu);
    const head = await api.store.head();
    expect(head).toBe(Number(done));
    expect(head).toBeLessThan(450);
    expect(await run(["apply", "-", "--no-wait"], { full: "stderr", stdin: DOMAINS })).toMatchObject({
      exitCode: 0,
      shown: expect.stringContaining(`${450 - head} of ${450 - head} applied.`),
    });
  });

  it("on stderr ends no command", async () => {
    const { run } = await started();
    expect(await run(["domains", "put", "a.example"], { full: "stderr" })).toMatchObject({ exitCode: 0 });
    expect(await run(["domains", "get", "b.example"], { full: "stderr" })).toMatchObject({ exitCode: 1 });
  });
});
