import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

/** Inputs of a bundle. */
interface BundleSource {
  readonly entry: string;
  /** Name of the entry file. */
  readonly file: string;
  /**
   * true = a separate file for each `import()`, which is neither read nor compiled before; false = one file.
   */
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
  /** Absolute path of the entry file. */
  readonly path: string;
  /** All files together. */
  readonly bytes: number;
  /** The entry file with its static imports, which a cold start reads and compiles. */
  readonly bytesAtStart: number;
}

/** CommonJS packages inside an ES module use these names. */
const COMMON_JS = [
  'import { createRequire as __createRequire } from "node:module";',
  'import { fileURLToPath as __fileURLToPath } from "node:url";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = __fileURLToPath(import.meta.url);",
  'const __dirname = __fileURLToPath(new URL(".", import.meta.url));',
].join("");

/**
 * Parts of zod that no program here uses, compiled at every cold start: messages in about fifty languages, a
 * third of zod, JSON Schema in both directions, and the compiler of `z.compile`.
 */
const partOfZod: Plugin = {
  name: "part-of-zod",
  setup(building) {
    building.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index[.]js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
    building.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]classic[\\/]from-json-schema[.]js$/ }, () => ({
      contents: 'export const fromJSONSchema = () => { throw new TypeError("not in this bundle"); };',
      loader: "js",
    }));
    // Each schema has a method that calls its processor; the OpenAPI document is made without them.
    building.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]json-schema-processors[.]js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const first = source.indexOf("export const stringProcessor");
      const exported = source.slice(first).matchAll(/^export (?:const|function) (\w+)/gm);
      const names = [...exported].map(([, name = ""]) => `absent as ${name}`);
      const absent = 'const absent = () => { throw new TypeError("not in this bundle"); };';
      return { contents: `${source.slice(0, first)}${absent} export { ${names.join(", ")} };`, loader: "js" };
    });
    building.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]compile[.]js$/ }, () => ({
      contents: [
        'const absent = () => { throw new TypeError("not in this bundle"); };',
        "export class ZodCompileAsyncError extends Error {}",
        "export class ZodCompileUnsupportedError extends Error {}",
        'export const INVALID = Symbol.for("zod.compile.invalid");',
        "export { absent as compile, absent as withParser };",
      ].join("\n"),
      loader: "js",
    }));
  },
};

/**
 * Bundles one entry for Node 24, with all that its packages bring. @param source its entry is relative to the
 * checkout.
 */
export async function bundleEntry(
  { entry, file, splits }: BundleSource,
  directory: string,
  plugins: Plugin[] = [],
): Promise<Bundle> {
  const { metafile } = await build({
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
    // Errors and reports distinguish classes by `name`, which minifying would change.
    keepNames: true,
    legalComments: "none",
    mainFields: ["module", "main"],
    plugins,
    banner: { js: COMMON_JS },
    logLevel: "warning",
    metafile: true,
    write: true,
  });
  const sizes = new Map(
    Object.keys(metafile.outputs).map((output) => [output, withoutNeedlessBanner(output)]),
  );
  const path = join(directory, `${file}.mjs`);
  const bytesOf = (files: Iterable<string>): number =>
    [...files].reduce((sum, each) => sum + (sizes.get(each) ?? 0), 0);
  const bytesAtStart = bytesOf(loadedAtStart(metafile.outputs, relative(ROOT, path)));
  return { path, bytes: bytesOf(Object.keys(metafile.outputs)), bytesAtStart };
}

/** Names that the banner declares, in a file that uses one. */
const USES_BANNER = /\brequire\b|\b__(?:filename|dirname|createRequire|fileURLToPath)\b/;

/**
 * esbuild begins every file with the banner; most chunks have no CommonJS package that uses it, and a cold
 * start reads dozens of chunks.
 *
 * @returns octets of the file as it is now
 */
function withoutNeedlessBanner(output: string): number {
  const path = join(ROOT, output);
  const text = readFileSync(path, "utf8");
  const code = text.replace(COMMON_JS, "");
  if (code === text || USES_BANNER.test(code)) return Buffer.byteLength(text);
  writeFileSync(path, code.trimStart());
  return Buffer.byteLength(code.trimStart());
}

/** Output files that importing `first` loads, without those behind an `import()`. */
function loadedAtStart(outputs: Metafile["outputs"], first: string): ReadonlySet<string> {
  const loaded = new Set([first]);
  for (const file of loaded) {
    for (const { path, kind } of outputs[file]?.imports ?? []) {
      if (kind !== "dynamic-import" && path in outputs) loaded.add(path);
    }
  }
  return loaded;
}

export const buildBundle = (name: BundleName, directory: string): Promise<Bundle> =>
  bundleEntry(BUNDLES[name], directory, [partOfZod]);

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
