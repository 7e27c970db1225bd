import { execFileSync } from "node:child_process";
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

/**
 * What `npm pack --workspace sdk` publishes: each entry point as one file of JavaScript without dependencies,
 * its types, and the licences of what is inside.
 */

const SDK = join(import.meta.dirname, "../sdk");
const DIST = join(SDK, "dist");
const ENTRIES = ["index", "sigv4"] as const;
/** Packages whose code is in the bundles. */
const BUNDLED = ["openapi-fetch", "aws4fetch"];

/** The code of one entry point. @param minify as an application's own bundler does. */
export async function bundledEntry(name: (typeof ENTRIES)[number], minify: boolean): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: SDK,
    entryPoints: [`src/${name}.ts`],
    bundle: true,
    format: "esm",
    // No built-in module of Node exists in a browser, Deno Deploy or a worker of a CDN.
    platform: "neutral",
    target: "es2022",
    mainFields: ["module", "main"],
    minify,
    legalComments: "none",
    logLevel: "warning",
    write: false,
  });
  return outputFiles.map(({ text }) => text).join("");
}

/** Declarations of a package, which name the files beside them as they are published. */
export function writeTypes(project: string, folder: string): void {
  const compiler = join(SDK, "../node_modules/typescript/bin/tsc");
  const args = ["--project", project, "--noEmit", "false", "--emitDeclarationOnly", "--outDir", folder];
  execFileSync(process.execPath, [compiler, ...args], { stdio: "inherit" });
  for (const path of globSync("**/*.d.ts", { cwd: folder })) {
    const file = join(folder, path);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replaceAll(/(?<=")(?<path>\.{1,2}\/[^"\n]+)\.ts(?=")/gu, "$<path>.js"));
  }
}

/** Of a package that names its licence, and has no text of it. */
function namedLicence(folder: string): string {
  const manifest = readFileSync(join(folder, "package.json"), "utf8");
  const { license, author } = JSON.parse(manifest) as { readonly license: string; readonly author: unknown };
  return `${license}, ${JSON.stringify(author)}`;
}

/** Licences of packages whose code is in the bundles of a package. */
export function licencesOf(project: string, packages: readonly string[]): string {
  const { resolve } = createRequire(join(project, "package.json"));
  const texts = packages.map((name) => {
    const [root = ""] = resolve(name).split(`${join("node_modules", name)}/`);
    const file = join(root, "node_modules", name, "LICENSE");
    return `${name}\n\n${existsSync(file) ? readFileSync(file, "utf8").trim() : namedLicence(dirname(file))}\n`;
  });
  return `Code of these packages is part of this one.\n\n${texts.join("\n---\n\n")}`;
}

if (import.meta.main) {
  rmSync(DIST, { recursive: true, force: true });
  writeTypes(SDK, DIST);
  for (const name of ENTRIES) writeFileSync(join(DIST, `${name}.js`), await bundledEntry(name, false));
  writeFileSync(join(DIST, "THIRD-PARTY-LICENSES.txt"), licencesOf(SDK, BUNDLED));
}
