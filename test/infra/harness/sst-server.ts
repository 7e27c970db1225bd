import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { ACCOUNT } from "./engine.ts";
import { ROOT } from "./program.ts";

/** What SST's components ask the `sst` binary for, outside `sst dev`. */
export interface SstServer {
  readonly url: string;
  readonly handlers: readonly string[];
  close(): void;
}

interface BuildInput {
  readonly functionID: string;
  /** `path/of/file.export` */
  readonly handler: string;
}

interface Request {
  readonly method: string;
  readonly params: readonly [Readonly<Record<string, unknown>>];
}

export async function startSstServer(bundleHandlers: boolean): Promise<SstServer> {
  const handlers: string[] = [];
  const answer = async ({ method, params: [input] }: Request): Promise<unknown> => {
    switch (method) {
      case "Provider.Aws.Bootstrap":
        return bootstrapOf(String(input["region"]));
      case "Runtime.Build": {
        const { functionID, handler } = input as unknown as BuildInput;
        handlers.push(handler);
        return buildHandler({ functionID, handler }, bundleHandlers);
      }
      default:
        throw new Error(`rpc: can't find method ${method}`);
    }
  };
  const server = createServer((request, response) => {
    void text(request)
      .then((body) => answer(JSON.parse(body) as Request))
      .then(
        (result) => response.end(JSON.stringify({ result })),
        (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    handlers,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The buckets and the registry that SST makes once for an account and region. */
const bootstrapOf = (region: string): Readonly<Record<string, string>> => ({
  asset: `sst-asset-${region}`,
  state: `sst-state-${region}`,
  assetEcrRegistryId: ACCOUNT,
  assetEcrUrl: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/sst-asset`,
  appsyncHttp: "",
  appsyncRealtime: "",
});

interface BuiltHandler {
  readonly handler: string;
  readonly out: string;
  readonly errors: readonly string[];
  readonly sourcemaps: readonly string[];
}

/** As the binary bundles it; without `really`, an empty file. */
async function buildHandler({ functionID, handler }: BuildInput, really: boolean): Promise<BuiltHandler> {
  const out = join(ROOT, ".sst/artifacts", `${functionID}-${process.pid}`);
  process.once("exit", () => rmSync(out, { recursive: true, force: true }));
  mkdirSync(out, { recursive: true });
  const { file = "", name = "" } = /^(?<file>.+)\.(?<name>[^.]+)$/u.exec(handler)?.groups ?? {};
  const outfile = join(out, "bundle.mjs");
  const built = (errors: readonly string[]): BuiltHandler => ({
    handler: `bundle.${name}`,
    out,
    errors,
    sourcemaps: [],
  });
  if (!really) {
    writeFileSync(outfile, "");
    return built([]);
  }
  const entry = join(ROOT, `${file}.ts`);
  if (!existsSync(entry)) return built([`${handler}: there is no ${file}.ts`]);
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    minify: true,
    metafile: true,
    logLevel: "silent",
    banner: { js: 'import { createRequire as r } from "node:module"; const require = r(import.meta.url);' },
  });
  const names = Object.values(metafile.outputs).flatMap((output) => output.exports);
  return built(names.includes(name) ? [] : [`${handler}: ${file}.ts does not export ${name}`]);
}
