import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { bearerAuthentication } from "../functions/api/caller.ts";
import { startApi } from "../test/support/api.ts";
import { type HttpServer, type HttpServerOptions, startHttpServer } from "./http-server.ts";
import type { RefusedRequest } from "./refused-request.ts";

let server: HttpServer | null = null;
const errors: unknown[] = [];
const refused: RefusedRequest[] = [];
afterEach(async () => {
  await server?.close();
  server = null;
  errors.length = 0;
  refused.length = 0;
});

async function start(fetch: HttpServerOptions["fetch"]): Promise<HttpServer> {
  server = await startHttpServer({
    host: "127.0.0.1",
    port: 0,
    fetch,
    onRefused: (request) => refused.push(request),
    onError: (error) => errors.push(error),
  });
  return server;
}

/** The first answer of a connection, taken apart. */
function parsed(answer: string): { status: number; headers: Headers; body: unknown } {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = new Headers(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: JSON.parse(body) };
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

  it("lets the API count the wrong tokens of each client address apart", async () => {
    const { app } = await startApi({ authenticate: bearerAuthentication([], () => 0) });
    const { port } = await start((request, env) => app.fetch(request, env));
    const request = `GET /v1/whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer wrong\r\n\r\n`;
    const statusFrom = async (localAddress: string): Promise<number> => {
      const socket = connect({ host: "127.0.0.1", port, localAddress });
      socket.write(request);
      return parsed(await text(socket)).status;
    };
    const statuses = new Set<number>();
    for (let count = 0; count < 40; count++) statuses.add(await statusFrom("127.0.0.2"));
    expect([...statuses]).toEqual([401, 429]);
    expect(await statusFrom("127.0.0.3")).toBe(401);
    expect(await statusFrom("127.0.0.2")).toBe(429);
  });

  it.each([
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["a method that is none", "FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
    ["a control character", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400],
    [
      "length and chunks",
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    [
      "a transfer coding",
      "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["a header of 17 KB", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(17_000)}\r\n\r\n`, 431],
  ])("answers %s with a problem document that is logged by its id", async (_, request, status) => {
    const { port } = await start(() => new Response("ok"));
    const answer = parsed(await raw(port, request));
    const requestId = answer.headers.get("x-request-id");
    expect(answer).toMatchObject({
      status,
      body: { type: expect.stringMatching(/^urn:/), status, requestId, detail: expect.stringMatching(/./) },
    });
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(refused).toMatchObject([{ requestId, status }]);
  });

  it.each([
    ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n"],
    [
      "an expectation it does not know",
      "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n",
    ],
  ])("takes %s", async (_, request) => {
    const { port } = await start(() => new Response("ok"));
    expect(await raw(port, request)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("cuts an answer half-way out, rather than put another into it, when what follows is no request", async () => {
    const { port } = await start(
      () => new Response(new ReadableStream({ start: (out) => out.enqueue(Buffer.from("half")) })),
    );
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let received = "";
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString();
      if (received.includes("half")) socket.write("no request\r\n\r\n");
    });
    await once(socket, "close");
    expect(received).not.toContain("problem+json");
    expect(refused).toEqual([]);
  });

  it("ends what waits for a client that is gone", async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    const { port } = await start(async (_, { clientClosed }) => {
      begin();
      await once(clientClosed, "abort");
      resolve();
      return new Response("no longer");
    });
    const client = new AbortController();
    const answer = fetch(`http://127.0.0.1:${port}/`, { signal: client.signal });
    await began;
    client.abort();
    await expect(answer).rejects.toThrow("aborted");
    await ended;
    expect(errors).toEqual([]);
  });

  describe("a client that half-closes behind its request", () => {
    /**
     * Answers when the server has seen the client's FIN: it came before another request, which is answered.
     */
    async function startSlow(): Promise<number> {
      const { promise: seen, resolve } = Promise.withResolvers<void>();
      const { port } = await start(async (request) => {
        if (request.url.endsWith("/seen")) resolve();
        else await seen;
        return new Response(`answer to ${request.method}, ${String((await request.text()).length)} octets`);
      });
      return port;
    }

    const head = "Host: a\r\n";
    it.each([
      ["a request", `GET / HTTP/1.1\r\n${head}\r\n`, ["GET, 0"]],
      ["a request of HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", ["GET, 0"]],
      ["a request to be the last", `GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`, ["GET, 0"]],
      ["a body", `PUT / HTTP/1.1\r\n${head}Content-Length: 5\r\n\r\nhello`, ["PUT, 5"]],
      [
        "a body in chunks",
        `PUT / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
        ["PUT, 5"],
      ],
      [
        "two requests",
        `GET /1 HTTP/1.1\r\n${head}\r\nDELETE /2 HTTP/1.1\r\n${head}\r\n`,
        ["GET, 0", "DELETE, 0"],
      ],
    ])("reads every answer, and then the end: %s", async (_, request, answers) => {
      const port = await startSlow();
      const answer = raw(port, request);
      await fetch(`http://127.0.0.1:${port}/seen`).then((response) => response.text());
      const received = [...(await answer).matchAll(/answer to (?<what>\w+, \d+) octets/gu)];
      expect(received.map(({ groups }) => groups?.["what"])).toEqual(answers);
      expect(errors).toEqual([]);
    });

    it("ends what waits until then, and reads its answer", async () => {
      const { port } = await start(async (_, { clientClosed }) => {
        await once(clientClosed, "abort");
        return new Response("no longer");
      });
      expect(await raw(port, `GET / HTTP/1.1\r\n${head}\r\n`)).toContain("no longer");
    });

    it.each([
      ["no request", "", ""],
      ["half a head", `GET / HTTP/1.1\r\n${head}`, "HTTP/1.1 400 "],
      ["half a body", `PUT / HTTP/1.1\r\n${head}Content-Length: 5\r\n\r\nhe`, "HTTP/1.1 400 "],
      ["half a chunk", `PUT / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhe`, "HTTP/1.1 400 "],
    ])("is not waited for after %s", async (_, request, begin) => {
      const { port } = await start(async (incoming) => new Response(await incoming.text()));
      const answer = await raw(port, request);
      expect(answer.slice(0, begin.length)).toBe(begin);
      expect(answer === "").toBe(begin === "");
    });
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

  /** A connection whose request is not complete, from one of the addresses of the loopback. */
  async function halfOpen(port: number, localAddress: string): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    await once(socket, "connect");
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n");
    return socket;
  }

  it("serves other clients, and the same one, while 256 requests of one client are incomplete", async () => {
    const { port } = await start(() => new Response("ok"));
    const patient = await halfOpen(port, "127.0.0.3");
    const held = await Promise.all(Array.from({ length: 256 }, () => halfOpen(port, "127.0.0.2")));
    const other = await halfOpen(port, "127.0.0.4");
    other.end("Connection: close\r\n\r\n");
    expect(await text(other)).toMatch(/^HTTP\/1\.1 200 /);
    const same = await halfOpen(port, "127.0.0.2");
    same.end("Connection: close\r\n\r\n");
    expect(await text(same)).toMatch(/^HTTP\/1\.1 200 /);
    patient.end("Connection: close\r\n\r\n");
    expect(await text(patient)).toMatch(/^HTTP\/1\.1 200 /);
    expect(refused).toMatchObject([{ status: 408, reason: "connection-needed" }, { status: 408 }]);
    for (const socket of held) socket.destroy();
  });

  it("ends the new connection, and no request that is being answered, when all are", async () => {
    const pending: (() => void)[] = [];
    const { promise: allArrived, resolve } = Promise.withResolvers<void>();
    const { port } = await start(async () => {
      await new Promise<void>((release) => {
        pending.push(release);
        if (pending.length === 256) resolve();
      });
      return new Response("done");
    });
    const answers = Array.from({ length: 256 }, () => {
      const socket = connect(port, "127.0.0.1");
      socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      return text(socket);
    });
    await allArrived;
    const one = connect(port, "127.0.0.1");
    expect(await text(one)).toMatch(/^HTTP\/1\.1 408 /);
    expect(refused).toMatchObject([{ status: 408, reason: "connection-needed" }]);
    for (const release of pending) release();
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("rejects when its port is taken", async () => {
    const { port } = await start(() => new Response("ok"));
    const other = startHttpServer({
      host: "127.0.0.1",
      port,
      fetch: () => new Response("ok"),
      onRefused: () => {},
      onError: () => {},
    });
    await expect(other).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
