import { readdirSync, readFileSync, rmSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

/**
 * What `npm pack --workspace cli` publishes: the command as one file of JavaScript without dependencies, and
 * the licences of what is inside.
 */

const CLI = join(import.meta.dirname, "../cli");
const DIST = join(CLI, "dist");
/** A package of the bundle, from the path of one of its modules. */
const PACKAGE = /^(?<folder>.*node_modules\/(?<name>(?:@[^/]+\/)?[^/]+))\//u;
/** dns-packet is CommonJS, and asks for modules of Node by `require`. */
const REQUIRE =
  'import { createRequire } from "node:module";\nconst require = createRequire(import.meta.url);';

interface BundledCli {
  readonly code: string;
  /** Folders of the packages whose code is in it, by their names. */
  readonly packages: ReadonlyMap<string, string>;
}

/** The command as it is published. */
export async function bundledCli(): Promise<BundledCli> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: CLI,
    entryPoints: ["src/main.ts"],
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    banner: { js: REQUIRE },
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    write: false,
  });
  const packages = Object.keys(metafile.inputs).flatMap((path) => {
    const { name = "", folder = "" } = PACKAGE.exec(path)?.groups ?? {};
    return name === "" ? [] : [[name, join(CLI, folder)] as const];
  });
  return { code: outputFiles.map(({ text }) => text).join(""), packages: new Map(packages) };
}

function licenceOf(name: string, folder: string): string {
  const file = readdirSync(folder).find((path) => /^licen[cs]e/iu.test(path));
  if (file === undefined) throw new Error(`${name} is in the bundle, and its licence is not known`);
  return `${name}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}

if (import.meta.main) {
  const { code, packages } = await bundledCli();
  const licences = [...packages]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, folder]) => licenceOf(name, folder));
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST);
  writeFileSync(join(DIST, "postern.js"), code, { mode: 0o755 });
  writeFileSync(
    join(DIST, "THIRD-PARTY-LICENSES.txt"),
    `Code of these packages is part of this one.\n\n${licences.join("\n---\n\n")}`,
  );
}
