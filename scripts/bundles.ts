import { statSync } from "node:fs";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

/** What a bundle is made of. */
interface BundleSource {
  readonly entry: string;
  /** Name of the file that is run. */
  readonly file: string;
  /** In files of their own what `import()` names, so that it is neither read nor compiled before; else all in one. */
  readonly splits: boolean;
}

/** Everything that is deployed as a bundle. */
export const BUNDLES = {
  api: { entry: "functions/api/lambda.ts", file: "lambda", splits: true },
  schedule: { entry: "functions/schedule/lambda.ts", file: "lambda", splits: true },
  worker: { entry: "worker/main.ts", file: "worker", splits: false },
} as const satisfies Readonly<Record<string, BundleSource>>;

export type BundleName = keyof typeof BUNDLES;

export interface Bundle {
  /** Absolute path of the file that is run. */
  readonly path: string;
  /** All files together. */
  readonly bytes: number;
}

/** CommonJS packages inside an ES module ask for these by name. */
const COMMON_JS = [
  'import { createRequire as __createRequire } from "node:module";',
  'import { fileURLToPath as __fileURLToPath } from "node:url";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = __fileURLToPath(import.meta.url);",
  'const __dirname = __fileURLToPath(new URL(".", import.meta.url));',
].join("");

/** zod's messages in some fifty languages, which nobody here sets: a third of it, read and compiled at every cold start. */
const englishOnly: Plugin = {
  name: "english-only",
  setup(building) {
    building.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index[.]js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** Bundles one entry for Node 24, with all that its packages bring. @param source its entry is relative to the checkout. */
export async function bundleEntry(
  { entry, file, splits }: BundleSource,
  directory: string,
  plugins: Plugin[] = [],
): Promise<Bundle> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: { [file]: entry },
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: splits,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    // Errors and reports tell classes apart by `name`, which minifying would change.
    keepNames: true,
    legalComments: "none",
    mainFields: ["module", "main"],
    plugins,
    banner: { js: COMMON_JS },
    logLevel: "warning",
    metafile: true,
    write: true,
  }).then(({ metafile }) => ({ outputFiles: Object.keys(metafile.outputs) }));
  const sizes = outputFiles.map((path) => statSync(join(ROOT, path)).size);
  return { path: join(directory, `${file}.mjs`), bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

export const buildBundle = (name: BundleName, directory: string): Promise<Bundle> =>
  bundleEntry(BUNDLES[name], directory, [englishOnly]);

/** `node scripts/bundles.ts [name …]`: all of them into dist/ when none is named. */
if (import.meta.main) {
  const wanted = process.argv.slice(2);
  const names = (Object.keys(BUNDLES) as BundleName[]).filter(
    (name) => wanted.length === 0 || wanted.includes(name),
  );
  if (names.length < wanted.length) throw new TypeError(`bundles are ${Object.keys(BUNDLES).join(", ")}`);
  for (const name of names) {
    const { path, bytes } = await buildBundle(name, join(ROOT, "dist", name));
    process.stdout.write(`${name}: ${path} (${bytes} bytes)\n`);
  }
}
