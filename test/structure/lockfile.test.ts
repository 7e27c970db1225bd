import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readText, sourceFiles } from "./source-files.ts";

/** The part of an entry of `packages` in package-lock.json (lockfileVersion 3) that is read here. */
interface LockedPackage {
  readonly integrity?: string;
  /** Where it comes from: left out of our lock files, apart from a link's. */
  readonly resolved?: string;
  /** A folder of the checkout, not a download. */
  readonly link?: true;
  /** Part of its parent's archive, whose integrity covers it. */
  readonly inBundle?: true;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** SHA-512 in base64, as Subresource Integrity writes it. */
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/u;

/** Whether an entry is a folder of the checkout: the root or a workspace. */
const isFolder = (path: string): boolean => !path.split("/").includes("node_modules");

/** Downloads that `npm ci` would take without comparing them with anything. */
function withoutIntegrity({ packages }: Lockfile): readonly string[] {
  return Object.entries(packages)
    .filter(([path, { link, inBundle }]) => !isFolder(path) && link !== true && inBundle !== true)
    .filter(([, { integrity }]) => !INTEGRITY.test(integrity ?? ""))
    .map(([path]) => path);
}

/**
 * Optional packages that a package names and that have no entry. A registry that lacks the packages of other
 * platforms makes `npm install` leave them out without a warning, and `npm ci` rejects the lock file
 * elsewhere ("Missing: …").
 */
function absentOptionalPackages({ packages }: Lockfile): readonly string[] {
  return Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) =>
        packages[`node_modules/${name}`] === undefined &&
        packages[`${parent}/node_modules/${name}`] === undefined,
    ),
  );
}

/** Of the product, and of tools that are installed apart from it. */
const LOCKFILES = sourceFiles("package-lock.json", "*/**/package-lock.json");

describe.each(LOCKFILES)("$path", ({ path, text }) => {
  const lockfile = JSON.parse(text) as Lockfile;

  it("has every optional package, for any platform", () => {
    expect(absentOptionalPackages(lockfile)).toEqual([]);
  });

  it("has the integrity of every package", () => {
    expect(withoutIntegrity(lockfile)).toEqual([]);
  });

  it("names no registry", () => {
    const resolved = Object.values(lockfile.packages).filter((entry) => entry.resolved !== undefined);
    expect(resolved.filter(({ link }) => link !== true)).toEqual([]);
    expect(text).not.toMatch(/https?:\/\/[^"]*registry/u);
  });

  it("requires the same versions as the package.json of each folder, or npm ci rejects it", () => {
    for (const folder of Object.keys(lockfile.packages).filter(isFolder)) {
      const manifest = JSON.parse(readText(join(dirname(path), folder, "package.json"))) as LockedPackage;
      const { dependencies, devDependencies } = lockfile.packages[folder] ?? {};
      expect({ dependencies, devDependencies }, folder).toEqual({
        dependencies: manifest.dependencies,
        devDependencies: manifest.devDependencies,
      });
    }
  });
});

describe("the rules for lock files", () => {
  const integrity = `sha512-${"A".repeat(86)}==`;
  const sound: Lockfile = {
    packages: {
      "": { dependencies: { one: "1.0.0" } },
      "node_modules/one": { integrity, optionalDependencies: { "one-linux-x64": "1.0.0" } },
      "node_modules/one-linux-x64": { integrity },
      "node_modules/one/node_modules/bundled": { inBundle: true },
      "node_modules/linked": { link: true, resolved: "folder" },
      folder: { dependencies: { one: "1.0.0" } },
    },
  };

  it("pass a sound one", () => {
    expect([withoutIntegrity(sound), absentOptionalPackages(sound)]).toEqual([[], []]);
  });

  it.each([
    ["no integrity", {}],
    ["an older digest", { integrity: "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }],
    ["a digest cut short", { integrity: integrity.slice(0, -3) }],
  ])("name a package of another platform with %s", (_fault, entry) => {
    const packages = { ...sound.packages, "node_modules/one-linux-x64": entry };
    expect(withoutIntegrity({ packages })).toEqual(["node_modules/one-linux-x64"]);
  });

  it("name an optional package that has no entry", () => {
    const { "node_modules/one-linux-x64": _left, ...packages } = sound.packages;
    expect(absentOptionalPackages({ packages })).toEqual(["one-linux-x64"]);
  });
});

it("the lock files are those of the product, of infra/ and of the readers of the OpenAPI document", () => {
  expect(LOCKFILES.map(({ path }) => path)).toEqual([
    "infra/tooling/package-lock.json",
    "package-lock.json",
    "test/document/tooling/package-lock.json",
  ]);
});
