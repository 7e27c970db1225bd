import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";
import type { Patch, Stack } from "./stack.ts";

/**
 * Makes of sst.config.ts what the `sst` binary makes of it: a program that evaluates `app()`, and one that
 * calls `run()` with SST's globals. The binary writes the globals into each file; here they are globals of
 * the process, which the same free names find. Its templates were read from SST's source (pkg/js,
 * pkg/project).
 */

export const ROOT = join(import.meta.dirname, "../../..");
export const PLATFORM = join(ROOT, ".sst/platform");

/** Left to Node, so that there is one Pulumi: the one whose engine is replaced. */
const EXTERNAL = [
  "@pulumi/*",
  "@pulumiverse/*",
  "@aws-sdk/*",
  "@sst-provider/*",
  "undici",
  "esbuild",
  "archiver",
  "glob",
  "vite",
];

/** Bundled CommonJS wants these. */
const BANNER = `
import { createRequire as createRequireHere } from "node:module";
import { fileURLToPath as pathHere, URL as UrlHere } from "node:url";
const require = createRequireHere(import.meta.url);
const __filename = pathHere(import.meta.url);
const __dirname = pathHere(new UrlHere(".", import.meta.url));
`;

export interface AppConfig {
  readonly name: string;
  readonly home: string;
  readonly removal?: string;
  readonly protect?: boolean;
  readonly providers?: Readonly<Record<string, unknown>>;
}

/** sst.config.ts, evaluated. */
export interface Config {
  app(input: { readonly stage: string }): AppConfig;
  run(): Promise<unknown>;
}

/** SST's own code, bundled once for the process. */
export interface Platform {
  /** Evaluates it anew, since it keeps what it made in its modules, and sets the globals of a stage. */
  load(app: Stack["app"], application: string): Promise<(program: Config["run"]) => Promise<unknown>>;
  dispose(): void;
}

interface PlatformModule {
  readonly run: (program: Config["run"]) => Promise<unknown>;
  readonly sst: unknown;
  /** `$output`, `$interpolate`, … */
  readonly shim: Readonly<Record<string, unknown>>;
}

/** sst.config.ts and all that it imports, with the patches. */
export async function loadConfig(application: string, patches: readonly Patch[]): Promise<Config> {
  // `$config` hands its argument back, as SST's own does.
  Object.assign(globalThis, { $config: (config: Config) => config });
  const outfile = join(PLATFORM, `postern-config.${process.pid}.${uniqueNumber()}.mjs`);
  try {
    await bundle(outfile, {
      entryPoints: [join(application, "sst.config.ts")],
      plugins: [patching(patches)],
    });
    const { default: config } = (await import(pathToFileURL(outfile).href)) as { readonly default: Config };
    return config;
  } finally {
    rmSync(outfile, { force: true });
  }
}

export async function bundlePlatform(): Promise<Platform> {
  const outfile = join(PLATFORM, `postern-platform.${process.pid}.mjs`);
  const path = (name: string): string => JSON.stringify(join(PLATFORM, "src", name));
  const contents = `export { run } from ${path("auto/run.ts")};
export * as sst from ${path("components")};
export * as shim from ${path("shim/run.js")};`;
  await bundle(outfile, { stdin: { contents, resolveDir: ROOT, loader: "ts" } });
  return {
    dispose: () => rmSync(outfile, { force: true }),
    load: async (app, application) => {
      setStageGlobals(app, application);
      const module = (await import(`${pathToFileURL(outfile).href}?${uniqueNumber()}`)) as PlatformModule;
      Object.assign(globalThis, module.shim, { sst: module.sst }, providerGlobals());
      return module.run;
    },
  };
}

function setStageGlobals(app: Stack["app"], root: string): void {
  const work = join(ROOT, ".sst");
  const paths = { home: join(work, "home"), root, work, platform: PLATFORM };
  const $cli = { command: "deploy", dev: false, rpc: "", paths, state: { version: {} } };
  Object.assign(globalThis, { $app: app, $cli, $dev: false });
}

interface Provider {
  readonly alias: string;
  readonly package: string;
}

/** `aws`: what sst.config.ts asked for as a provider. */
function providerGlobals(): Readonly<Record<string, unknown>> {
  const lock = readFileSync(join(ROOT, ".sst/provider-lock.json"), "utf8");
  const require = createRequire(join(PLATFORM, "package.json"));
  const providers = JSON.parse(lock) as readonly Provider[];
  return Object.fromEntries(providers.map(({ alias, package: name }) => [alias, require(name)]));
}

let last = 0;
const uniqueNumber = (): number => (last += 1);

/** The file lies beside the platform: Node looks for packages from where a module is. */
async function bundle(outfile: string, options: BuildOptions): Promise<void> {
  await build({
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    nodePaths: [join(PLATFORM, "node_modules")],
    external: EXTERNAL,
    logLevel: "silent",
    banner: { js: BANNER },
    ...options,
  });
}

function patching(patches: readonly Patch[]): Plugin {
  const unseen = new Set(patches);
  return {
    name: "patching",
    setup: ({ onLoad, onEnd }) => {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const here = patches.filter(({ file }) => join(ROOT, file) === path);
        if (here.length === 0) return undefined;
        for (const patch of here) unseen.delete(patch);
        return { contents: here.reduce(patched, readFileSync(path, "utf8")), loader: "ts" };
      });
      onEnd(() => ({
        errors: [...unseen].map(({ file }) => ({ text: `the patch of ${file}: it is not imported` })),
      }));
    },
  };
}

function patched(text: string, { file, find, replace }: Patch): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`the patch of ${file}: its text is there ${parts.length - 1} times: ${find}`);
  }
  return parts.join(replace);
}
