import { execFile } from "node:child_process";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { proxyV2 } from "../../test/support/proxy-headers.ts";
import { type HealthServer, startHealthServer } from "./health-server.ts";
import { readinessOf } from "../telemetry/readiness.ts";

const SCRIPT = join(import.meta.dirname, "check-url.sh");
const EMPTY = { listeners: 1, revision: null, staleForMs: 0, draining: false, chainVerifier: true };

let health: HealthServer | null = null;
let peer: Server | null = null;
afterEach(async () => {
  await health?.close();
  health = null;
  peer?.close();
  peer = null;
});

/** @returns its exit code. Its time limit is that of the container's runtime. */
const check = (url: string): Promise<number> =>
  new Promise((resolve) => {
    const child = execFile("bash", [SCRIPT, url], { env: {} }, () => resolve(child.exitCode ?? -1));
  });

async function portAnswering(answer: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end(answer));
  }).listen(0, "127.0.0.1");
  peer = server;
  await new Promise((resolve) => void server.once("listening", resolve));
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

describe("the image's health check", () => {
  it("passes on a worker that lives, and fails on what it does not answer with 200", async () => {
    health = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      readiness: () => readinessOf(EMPTY),
      metrics: () => "",
    });
    const url = `http://127.0.0.1:${health.port}`;
    expect(await check(`${url}/live`)).toBe(0);
    expect(await check(`${url}/ready`)).toBe(1);
    expect(await check(`${url}/nowhere`)).toBe(1);
    await health.close();
    health = null;
    expect(await check(`${url}/live`)).toBe(1);
  });

  it.each([
    ["closes without an answer", ""],
    ["answers 500", "HTTP/1.1 500 Internal Server Error\r\n\r\n"],
    ["mentions 200 elsewhere", "HTTP/1.1 503 HTTP/1.1 200 \r\n\r\n"],
    ["speaks another protocol", proxyV2({}).toString("latin1")],
  ])("fails on a server that %s", async (_what, answer) => {
    expect(await check(`http://127.0.0.1:${await portAnswering(answer)}/live`)).toBe(1);
  });
});
