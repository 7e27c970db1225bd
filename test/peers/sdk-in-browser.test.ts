import { rmSync } from "node:fs";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type HttpServer, startHttpServer } from "../../local/http-server.ts";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { examplesIn, SdkProject } from "../sdk/packed-sdk.ts";
import { Browser } from "../support/browser.ts";

const isAbsent = inject("absentPeers").includes("chromium");

/** A page that runs /program.js, and keeps what that prints and how it ends. */
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">
  { "imports": { "@postern/sdk": "/sdk/index.js", "@postern/sdk/sigv4": "/sdk/sigv4.js" } }
</script>
<script type="module">
  globalThis.run = { printed: [], end: null };
  console.log = (...values) => run.printed.push(values.join(" "));
  import("/program.js").then(() => (run.end = "done"), (error) => (run.end = String(error)));
</script>`;

/** What a page makes of a program. */
interface Run {
  readonly printed: readonly string[];
  readonly end: string | null;
}

/** Headers of a connection, which a proxy does not pass on; the body is that of the decoded answer. */
const OWN_HEADERS = ["host", "connection", "keep-alive", "content-length", "content-encoding", "date"];

function passedOn(headers: Headers): Headers {
  const others = new Headers(headers);
  for (const name of OWN_HEADERS) others.delete(name);
  return others;
}

describe.skipIf(isAbsent)("the packed SDK in Chromium", () => {
  let browser: Browser;
  let project: SdkProject;
  const servers: HttpServer[] = [];
  let dataDir = "";
  let api = "";
  let token = "";
  let tenLines = "";

  beforeAll(async () => {
    project = new SdkProject();
    tenLines = examplesIn(project.readPacked("README.md"))[0]?.code ?? "";
    dataDir = newDataDir();
    const postern = new PosternProcess(dataDir);
    api = httpUrl((await postern.started()).api);
    token = postern.token;
    browser = await Browser.start();
  });
  afterAll(async () => {
    // First: a server that closes waits for the idle connections of the browser.
    await browser.close();
    await Promise.all(servers.map((server) => server.close()));
    await endAll();
    project.remove();
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** The API as the origin of the page passes it on. */
  async function proxied(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const body = await request.arrayBuffer();
    const { status, headers, ...answer } = await fetch(`${api}${pathname}${search}`, {
      method: request.method,
      headers: passedOn(request.headers),
      ...(body.byteLength === 0 ? {} : { body }),
    }).then(async (each) => ({
      status: each.status,
      headers: passedOn(each.headers),
      body: each.status === 204 ? null : await each.arrayBuffer(),
    }));
    return new Response(answer.body, { status, headers });
  }

  /** Files of the page, by their paths. */
  const served = (program: string): ReadonlyMap<string, readonly [type: string, text: string]> =>
    new Map([
      ["/", ["text/html", PAGE]],
      ["/program.js", ["text/javascript", program]],
      ["/sdk/index.js", ["text/javascript", project.readPacked("dist/index.js")]],
      ["/sdk/sigv4.js", ["text/javascript", project.readPacked("dist/sigv4.js")]],
    ]);

  /** Runs a program of TypeScript in a page. @param url what it has as POSTERN_URL: an expression */
  async function runInPage(
    source: string,
    url: string,
  ): Promise<Run & { readonly asked: readonly string[] }> {
    const define = {
      "process.env.POSTERN_URL": url,
      "process.env.POSTERN_TOKEN": JSON.stringify(token),
    };
    const { code } = await transform(source, { loader: "ts", target: "es2022", format: "esm", define });
    const files = served(code);
    const server = await startHttpServer({
      host: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        const [type = "", text = ""] = files.get(new URL(request.url).pathname) ?? [];
        return type === "" ? proxied(request) : new Response(text, { headers: { "content-type": type } });
      },
      onRefused: () => undefined,
      onError: () => undefined,
    });
    servers.push(server);
    const page = await browser.open(`http://127.0.0.1:${server.port}/`);
    const read = async () => (await page.evaluate("globalThis.run ?? { printed: [], end: null }")) as Run;
    await expect.poll(async () => (await read()).end, { timeout: 120_000 }).not.toBeNull();
    return { ...(await read()), asked: page.report().requested };
  }

  it("runs the README's lines, from the file that is packed", async () => {
    const { printed, end, asked } = await runInPage(tenLines, "location.origin");
    expect(end).toBe("done");
    expect(printed).toEqual([
      "example.org require",
      "domain absent.example.org not found",
      expect.stringMatching(/^deleted at revision \d+$/u),
    ]);
    const paths = asked.filter((url) => url.startsWith("http:")).map((url) => new URL(url).pathname);
    expect(new Set(paths)).toEqual(
      new Set([
        "/",
        "/program.js",
        "/sdk/index.js",
        "/v1/domains",
        "/v1/domains/example.org",
        "/v1/domains/absent.example.org",
      ]),
    );
  });

  it("ends a call by its signal, waits for an edge, and signs with SigV4", async () => {
    const { printed, end } = await runInPage(
      `
      import { createPostern } from "@postern/sdk";
      import { sigv4 } from "@postern/sdk/sigv4";
      const url = process.env.POSTERN_URL!;
      const postern = createPostern({ url, auth: { token: process.env.POSTERN_TOKEN! } });
      const signal = AbortSignal.abort(new Error("no longer needed"));
      console.log(await postern.whoami({ signal }).catch(({ message }: Error) => message));
      const { revision } = await postern.domains.put("page.example", {});
      const { edges } = await postern.domains.waitUntilApplied("page.example", revision);
      console.log(edges.live.length);
      const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "not-a-secret" };
      const signed = await sigv4({ region: "eu-central-1", credentials }).sign(new Request(url + "/v1/whoami"));
      console.log(signed.headers.get("authorization")?.split(" ")[0]);
    `,
      "location.origin",
    );
    expect({ printed, end }).toEqual({
      printed: ["no longer needed", "1", "AWS4-HMAC-SHA256"],
      end: "done",
    });
  });

  it("gets no answer from another origin: the API allows none", async () => {
    const { end, printed } = await runInPage(tenLines, JSON.stringify(api));
    expect({ end, printed }).toEqual({
      end: expect.stringMatching(/^PosternNetworkError: no answer from http:\/\/127\.0\.0\.1:\d+: /u),
      printed: [],
    });
  });
});
