import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Adds to package-lock.json the optional packages of other platforms that the registry in reach does not carry.
 *
 * A mirror that holds only what its own machines need makes `npm install` leave them out of the lockfile without a word, and
 * then `npm ci` refuses the lockfile everywhere: "Missing: … from lock file". Run this after `npm install` of a new package;
 * test/structure/lockfile.test.ts says when. The entries have no integrity, since nobody here has seen the packages.
 */

/** The part of an entry of `packages` in package-lock.json (lockfileVersion 3) that is read or written here. */
interface LockedPackage {
  readonly version?: string;
  readonly dev?: true;
  readonly optional?: true;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

export interface AbsentPackage {
  readonly path: string;
  readonly entry: LockedPackage;
}

/** Optional packages that a package of the lockfile names and that have no entry of their own. */
export function absentOptionalPackages({ packages }: Lockfile): readonly AbsentPackage[] {
  return Object.entries(packages).flatMap(([parent, { dev, optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(
        ([name]) =>
          packages[`node_modules/${name}`] === undefined &&
          packages[`${parent}/node_modules/${name}`] === undefined,
      )
      .map(([name, version]) => ({
        path: `node_modules/${name}`,
        entry: entryOf({ name, version, dev: dev === true }),
      })),
  );
}

const SYSTEMS = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const PROCESSORS = ["arm64", "arm", "ia32", "ppc64", "riscv64", "s390x", "x64"];

interface Wanted {
  readonly name: string;
  readonly version: string;
  readonly dev: boolean;
}

/** With the platform as the names of such packages say it, `binding-linux-x64-musl`; keys in npm's order. */
function entryOf({ name, version, dev }: Wanted): LockedPackage {
  const words = name.split(/[/-]/u);
  const os = SYSTEMS.find((system) => words.includes(system));
  const cpu = PROCESSORS.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) throw new TypeError(`${name} does not say its platform`);
  const libc = words.includes("musl") ? ["musl"] : words.includes("gnu") ? ["glibc"] : null;
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev: true } : {}),
    ...(libc === null ? {} : { libc }),
    optional: true,
    os: [os],
  };
}

if (import.meta.main) {
  const path = join(import.meta.dirname, "../package-lock.json");
  const lockfile = JSON.parse(readFileSync(path, "utf8")) as Lockfile;
  const absent = absentOptionalPackages(lockfile);
  const entries = [
    ...Object.entries(lockfile.packages),
    ...absent.map(({ path: key, entry }) => [key, entry] as const),
  ];
  const packages = Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b, "en")));
  writeFileSync(path, `${JSON.stringify({ ...lockfile, packages }, null, 2)}\n`);
  process.stdout.write(`lockfile: ${absent.length} optional packages added\n`);
}
