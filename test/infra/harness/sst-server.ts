import { mkdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { BUNDLES, type BundleName, buildBundle } from "../../../scripts/bundles.ts";
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
  /** Folder of code that is bundled already, relative to the checkout. */
  readonly bundle: string;
  /** `file.export` in it. */
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
        const { functionID, bundle, handler } = input as unknown as BuildInput;
        handlers.push(`${bundle}/${handler}`);
        return buildHandler({ functionID, bundle, handler }, bundleHandlers);
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

/**
 * What the binary answers for code that is bundled already: where it is. `really` makes the bundle, and finds
 * the export in it; else there is an empty folder.
 */
async function buildHandler(
  { functionID, bundle, handler }: BuildInput,
  really: boolean,
): Promise<BuiltHandler> {
  const out = join(ROOT, ".sst/artifacts", `${functionID}-${process.pid}`);
  process.once("exit", () => rmSync(out, { recursive: true, force: true }));
  mkdirSync(out, { recursive: true });
  const built = (errors: readonly string[]): BuiltHandler => ({ handler, out, errors, sourcemaps: [] });
  if (!really) return built([]);
  const name = bundle.replace("dist/", "");
  if (!isBundle(name)) return built([`there is no bundle ${bundle}`]);
  const { path } = await buildBundle(name, out);
  const [file, wanted = ""] = handler.split(".");
  if (basename(path) !== `${file}.mjs`) return built([`${handler}: there is no ${file}.mjs in ${bundle}`]);
  const { metafile } = await build({ entryPoints: [path], write: false, metafile: true, outdir: out });
  const exported = Object.values(metafile.outputs).flatMap((output) => output.exports);
  return built(exported.includes(wanted) ? [] : [`${handler}: ${basename(path)} does not export ${wanted}`]);
}

const isBundle = (name: string): name is BundleName => Object.hasOwn(BUNDLES, name);
