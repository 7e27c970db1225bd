import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import type { Patch, Stack } from "./stack.ts";

/**
 * Makes of sst.config.ts the two programs that the `sst` binary makes of it: one that evaluates `app()`, and one that runs
 * `run()` with SST's globals. The binary's own templates were read from SST's source (pkg/js, pkg/project).
 */

export const ROOT = join(import.meta.dirname, "../../..");
export const PLATFORM = join(ROOT, ".sst/platform");
const CONFIG = join(ROOT, "sst.config.ts");

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

interface ProgramOptions {
  readonly stage: string;
  readonly patches: readonly Patch[];
}

/** What `app()` says of the stage, with SST's defaults. */
export async function evaluateApp({ stage, patches }: ProgramOptions): Promise<Stack["app"] & AppConfig> {
  const module = await bundled<{ readonly default: AppConfig }>(`app.${stage}`, {
    entry: `import config from ${JSON.stringify(CONFIG)};
export default await config.app({ stage: ${JSON.stringify(stage)} });`,
    banner: `${BANNER}\nfunction $config(input) { return input; }`,
    plugins: [sources([], patches)],
  });
  return { removal: "retain", protect: false, providers: {}, ...module.default, stage };
}

/** The program that Pulumi runs. */
export async function loadProgram(
  app: Stack["app"],
  { stage, patches }: ProgramOptions,
): Promise<() => Promise<unknown>> {
  const globals = [
    ...providers().map(({ alias, package: name }) => `import * as ${alias} from ${JSON.stringify(name)};`),
    `import * as sst from ${JSON.stringify(join(PLATFORM, "src/components"))};`,
  ];
  const work = join(ROOT, ".sst");
  const paths = { home: join(work, "home"), root: ROOT, work, platform: PLATFORM };
  const module = await bundled<{ readonly default: () => Promise<unknown> }>(`run.${stage}`, {
    entry: `import { run } from ${JSON.stringify(join(PLATFORM, "src/auto/run.ts"))};
import config from ${JSON.stringify(CONFIG)};
export default () => run(config.run);`,
    banner: BANNER,
    define: {
      $app: JSON.stringify(app),
      $cli: JSON.stringify({ command: "deploy", dev: false, rpc: "", paths, state: { version: {} } }),
      $dev: "false",
    },
    inject: [join(PLATFORM, "src/shim/run.js")],
    plugins: [sources(globals, patches)],
  });
  return module.default;
}

interface Provider {
  readonly alias: string;
  readonly package: string;
}

const providers = (): readonly Provider[] =>
  JSON.parse(readFileSync(join(ROOT, ".sst/provider-lock.json"), "utf8")) as readonly Provider[];

interface Bundle {
  readonly entry: string;
  readonly banner: string;
  readonly define?: Record<string, string>;
  readonly inject?: string[];
  readonly plugins: Plugin[];
}

/** Bundles and imports; the file lies beside the platform, since Node looks for packages from where a module is. */
async function bundled<Module>(
  name: string,
  { entry, banner, define, inject, plugins }: Bundle,
): Promise<Module> {
  const outfile = join(PLATFORM, `postern.${name}.${process.pid}.mjs`);
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: ROOT, loader: "ts", sourcefile: "entry.ts" },
    outfile,
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    sourcemap: "inline",
    mainFields: ["module", "main"],
    nodePaths: [join(PLATFORM, "node_modules")],
    external: EXTERNAL,
    logLevel: "silent",
    banner: { js: banner },
    plugins,
    ...(define === undefined ? {} : { define }),
    ...(inject === undefined ? {} : { inject }),
  });
  try {
    writeFileSync(outfile, outputFiles[0]?.contents ?? "");
    // esbuild made it of a module with this shape.
    return (await import(pathToFileURL(outfile).href)) as Module;
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** Gives our own files SST's globals as imports, as the binary does, and applies the patches. */
function sources(globals: readonly string[], patches: readonly Patch[]): Plugin {
  for (const { file } of patches) {
    if (!existsSync(join(ROOT, file))) throw new Error(`the patch of ${file}: no such file`);
  }
  return {
    name: "sources",
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path.startsWith(join(ROOT, ".sst"))) return undefined;
        const text = patches
          .filter(({ file }) => join(ROOT, file) === path)
          .reduce(patched, readFileSync(path, "utf8"));
        return { contents: [...globals, text].join("\n"), loader: "ts" };
      });
    },
  };
}

function patched(text: string, { file, find, replace }: Patch): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`the patch of ${file}: its text is there ${parts.length - 1} times: ${find}`);
  return parts.join(replace);
}
