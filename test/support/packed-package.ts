import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Node of this run, and each older one from 20 on that the machine has. */
export const NODES: readonly { readonly major: number; readonly program: string }[] = [
  { major: Number(process.versions.node.split(".")[0]), program: process.execPath },
  ...olderNodes(),
];

function olderNodes() {
  const programs = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "node"));
  const found = new Map<number, string>();
  for (const program of programs.filter((path) => existsSync(path))) {
    const version = execFileSync(program, ["--version"], { encoding: "utf8" });
    const major = Number(/^v(?<major>\d+)/u.exec(version)?.groups?.["major"]);
    if (major >= 20 && major < 24 && !found.has(major)) found.set(major, program);
  }
  return [...found].map(([major, program]) => ({ major, program }));
}

/**
 * Installs a workspace into an otherwise empty project, from the archive that `npm pack` makes of it. It is
 * packed in a copy of the checkout: its script builds `dist`, and tests run side by side.
 *
 * @returns the files of the archive
 */
export function installPacked(workspace: "sdk" | "cli", directory: string): readonly string[] {
  const checkout = mkdtempSync(join(tmpdir(), "postern-checkout-"));
  try {
    copyCheckout(checkout);
    const args = ["pack", "--workspace", workspace, "--json", "--pack-destination", directory];
    const [archive] = Object.values<{ filename: string; files: { path: string }[] }>(
      JSON.parse(npm(args, checkout, directory)),
    );
    if (archive === undefined) throw new TypeError("npm packed nothing");
    const project = { name: "empty", private: true, type: "module" };
    writeFileSync(join(directory, "package.json"), JSON.stringify(project));
    npm(["install", "--offline", "--no-audit", "--no-fund", `./${archive.filename}`], directory, directory);
    return archive.files.map(({ path }) => path);
  } finally {
    rmSync(checkout, { recursive: true, force: true });
  }
}

const PACKED_FROM = ["package.json", "tsconfig.json", "scripts", "sdk", "cli", "iac/pulumi"];
const LEFT_OUT = new Set(["node_modules", "dist"]);

/** What packing needs, with links to the packages that are installed. */
function copyCheckout(checkout: string): void {
  const filter = (path: string): boolean => !LEFT_OUT.has(basename(path));
  for (const path of PACKED_FROM) cpSync(join(ROOT, path), join(checkout, path), { recursive: true, filter });
  for (const path of ["", "sdk", "cli"].map((folder) => join(folder, "node_modules")))
    if (existsSync(join(ROOT, path))) symlinkSync(join(ROOT, path), join(checkout, path));
}

/** With an empty cache in `directory`, and none of the settings of an npm that runs these tests. */
function npm(args: readonly string[], cwd: string, directory: string): string {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/iu.test(name));
  const cache = join(directory, ".npm");
  mkdirSync(cache, { recursive: true });
  const env = { ...Object.fromEntries(own), npm_config_cache: cache, npm_config_update_notifier: "false" };
  return execFileSync("npm", [...args], { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
