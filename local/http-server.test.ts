import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpServer, startHttpServer } from "./http-server.ts";

let server: HttpServer | null = null;
const errors: unknown[] = [];
afterEach(async () => {
  await server?.close();
  server = null;
  errors.length = 0;
});

async function start(fetch: (request: Request) => Response | Promise<Response>): Promise<HttpServer> {
  server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    fetch,
    onError: (error) => errors.push(error),
  });
  return server;
}

/** Sends bytes as they are and reads until the server closes. */
async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.end(request);
  return text(socket);
}

describe("the API's HTTP server", () => {
  it("answers what the app does not take as a problem document, without a word of the error", async () => {
    const { port } = await start(() => {
      throw new Error("secret");
    });
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect(response.status).toBe(500);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.text()).not.toContain("secret");
    expect(errors).toHaveLength(1);
  });

  it("answers a request that is none with a problem document", async () => {
    const { port } = await start(() => new Response("ok"));
    const answer = await raw(port, "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("application/problem+json");
  });

  it("finishes a request in progress before it closes, and takes no new one", async () => {
    let answer = (): void => {};
    let arrived = (): void => {};
    const inProgress = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { port } = await start(async () => {
      arrived();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return new Response("done");
    });
    const response = fetch(`http://127.0.0.1:${port}/`);
    await inProgress;
    const closed = server?.close();
    server = null;
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow(TypeError);
    answer();
    expect(await (await response).text()).toBe("done");
    await closed;
  });

  it("rejects when its port is taken", async () => {
    const { port } = await start(() => new Response("ok"));
    const other = startHttpServer({
      host: "127.0.0.1",
      port,
      fetch: () => new Response("ok"),
      onError: () => {},
    });
    await expect(other).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
