import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, transform } from "esbuild";
import { runTool, type ToolRun } from "../document/document-tools.ts";
import { installPacked } from "../support/packed-package.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Compilers that a project may have: the newest, and the last one that is written in JavaScript. */
const COMPILERS = ["node_modules/typescript/bin/tsc", "sdk/node_modules/typescript/bin/tsc"] as const;
/** How a project finds modules: as Node does, and as bundlers do. */
const RESOLUTIONS = {
  nodenext: { module: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
} as const;
export const PROJECTS = COMPILERS.flatMap((compiler) =>
  (Object.keys(RESOLUTIONS) as (keyof typeof RESOLUTIONS)[]).map((resolution) => ({ compiler, resolution })),
);
type ProjectKind = (typeof PROJECTS)[number];

/** An otherwise empty project with the SDK, installed from the archive that `npm pack` makes of it. */
export class SdkProject {
  readonly directory: string = mkdtempSync(join(tmpdir(), "postern-sdk-"));
  /** Files of the archive. */
  readonly packed: readonly string[];

  constructor() {
    this.packed = installPacked("sdk", this.directory);
  }

  /** A file of the installed package. */
  readPacked(path: string): string {
    return readFileSync(join(this.directory, "node_modules/@postern/sdk", path), "utf8");
  }

  /** What a strict project of this kind reports about a program; empty = nothing. */
  async typeErrors(program: string, { compiler, resolution }: ProjectKind): Promise<string> {
    this.#write("program.ts", program);
    const compilerOptions = {
      ...RESOLUTIONS[resolution],
      strict: true,
      noEmit: true,
      target: "es2022",
      lib: ["es2022", "dom", "dom.asynciterable"],
      exactOptionalPropertyTypes: true,
      typeRoots: [join(ROOT, "node_modules/@types")],
      types: ["node"],
    };
    this.#write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    const { output, errors } = await runTool(
      process.execPath,
      [join(ROOT, compiler), "--project", "."],
      this.directory,
    );
    return `${output}${errors}`;
  }

  /** Runs a program without its types, as an older Node has to. */
  async run(program: string, node: string, env: Readonly<Record<string, string>>): Promise<ToolRun> {
    const { code } = await transform(program, { loader: "ts", target: "es2022", format: "esm" });
    this.#write("program.mjs", code);
    this.#write(
      "environment",
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    );
    return runTool(node, ["--env-file=environment", "program.mjs"], this.directory);
  }

  /** The code that a bundler makes of a program for browsers. */
  async bundled(program: string): Promise<string> {
    const { outputFiles } = await build({
      stdin: { contents: program, resolveDir: this.directory },
      bundle: true,
      format: "esm",
      platform: "browser",
      // "sideEffects": false is what is tried, and esbuild warns that it drops the import for it.
      logLevel: "error",
      write: false,
    });
    return outputFiles.map(({ text }) => text).join("");
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #write(path: string, text: string): void {
    writeFileSync(join(this.directory, path), text);
  }
}

/** The blocks of TypeScript in a page, each with the heading that it stands under. */
export function examplesIn(markdown: string): readonly { readonly heading: string; readonly code: string }[] {
  let heading = "";
  return [...markdown.matchAll(/^#+ (?<heading>.+)$|^```ts\n(?<code>[\s\S]*?)^```$/gmu)].flatMap(
    ({ groups = {} }) => {
      heading = groups["heading"] ?? heading;
      return groups["code"] === undefined ? [] : [{ heading, code: groups["code"] }];
    },
  );
}
