import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type HealthServer, startHealthServer } from "./health-server.ts";
import { readinessOf, type WorkerState } from "../telemetry/readiness.ts";

const READY: WorkerState = { listeners: 1, revision: 3, staleForMs: 0, draining: false, chainVerifier: true };

describe("readiness", () => {
  it.each<{ what: string; state: Partial<WorkerState>; ready: boolean }>([
    { what: "all is well", state: {}, ready: true },
    { what: "the settings are at revision 0", state: { revision: 0 }, ready: true },
    { what: "the settings are a day old", state: { staleForMs: 86_400_000 }, ready: true },
    { what: "there is no chain verifier", state: { chainVerifier: false }, ready: true },
    { what: "no listener is bound", state: { listeners: 0 }, ready: false },
    { what: "no settings were ever held", state: { revision: null }, ready: false },
    { what: "the worker is draining", state: { draining: true }, ready: false },
  ])("is $ready when $what", ({ state, ready }) => {
    const readiness = readinessOf({ ...READY, ...state });
    expect(readiness.ready).toBe(ready);
    expect(readiness.problems.length === 0).toBe(ready);
  });

  it("says whether the chain verifier is there and how old the settings are", () => {
    expect(readinessOf({ ...READY, chainVerifier: false, staleForMs: 61_234 })).toMatchObject({
      chainVerifier: "missing",
      staleSeconds: 61.2,
    });
  });
});

describe("the health server", () => {
  let server: HealthServer | null = null;
  afterEach(async () => {
    await server?.close();
    server = null;
  });
  const start = async (state: () => WorkerState): Promise<string> => {
    server = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      readiness: () => readinessOf(state()),
      metrics: () => "postern_ready 1\n",
    });
    return `http://127.0.0.1:${server.port}`;
  };

  it("answers 200 and 503 on /ready as the state changes, and 200 on /live all the time", async () => {
    let state = READY;
    const url = await start(() => state);
    const ready = await fetch(`${url}/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ ready: true, revision: 3 });
    state = { ...READY, draining: true };
    const draining = await fetch(`${url}/ready`);
    expect(draining.status).toBe(503);
    expect(await draining.json()).toMatchObject({ ready: false, problems: ["draining"] });
    expect((await fetch(`${url}/live`)).status).toBe(200);
  });

  it("answers while one client holds every connection with incomplete requests", async () => {
    const url = await start(() => READY);
    const held = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const socket = connect({
          port: Number(new URL(url).port),
          host: "127.0.0.1",
          localAddress: "127.0.0.2",
        });
        await once(socket, "connect");
        socket.write("GET /ready HTTP/1.1\r\n");
        return socket;
      }),
    );
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    for (const socket of held) socket.destroy();
  });

  it("serves the metrics in Prometheus' text format", async () => {
    const response = await fetch(`${await start(() => READY)}/metrics`);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toBe("postern_ready 1\n");
  });

  it("answers 404 elsewhere, 405 to other methods, and HEAD without a body", async () => {
    const url = await start(() => READY);
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    expect((await fetch(`${url}/live`, { method: "POST", body: "x" })).status).toBe(405);
    const head = await fetch(`${url}/ready`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("rejects when its port is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const options = {
      host: "127.0.0.1",
      port: port ?? 0,
      readiness: () => readinessOf(READY),
      metrics: () => "",
    };
    await expect(startHealthServer(options)).rejects.toMatchObject({ code: "EADDRINUSE" });
    other.close();
  });
});
