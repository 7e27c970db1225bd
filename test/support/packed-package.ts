import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

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

export interface PackedPackage {
  /** Files of the archive. */
  readonly files: readonly string[];
  /** Removes what packing built, unless it was there before. */
  readonly removeBuild: () => void;
}

/** Installs a workspace into an otherwise empty project, from the archive that `npm pack` makes of it. */
export function installPacked(workspace: "sdk" | "cli", directory: string): PackedPackage {
  const dist = join(ROOT, workspace, "dist");
  const hadDist = existsSync(dist);
  const args = ["pack", "--workspace", workspace, "--json", "--pack-destination", directory];
  const [archive] = Object.values<{ filename: string; files: { path: string }[] }>(
    JSON.parse(npm(args, ROOT, directory)),
  );
  if (archive === undefined) throw new TypeError("npm packed nothing");
  const project = { name: "empty", private: true, type: "module" };
  writeFileSync(join(directory, "package.json"), JSON.stringify(project));
  npm(["install", "--offline", "--no-audit", "--no-fund", `./${archive.filename}`], directory, directory);
  return {
    files: archive.files.map(({ path }) => path),
    removeBuild: () => {
      if (!hadDist) rmSync(dist, { recursive: true, force: true });
    },
  };
}

/** With an empty cache in `directory`, and none of the settings of an npm that runs these tests. */
function npm(args: readonly string[], cwd: string, directory: string): string {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/iu.test(name));
  const cache = join(directory, ".npm");
  mkdirSync(cache, { recursive: true });
  const env = { ...Object.fromEntries(own), npm_config_cache: cache, npm_config_update_notifier: "false" };
  return execFileSync("npm", [...args], { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
