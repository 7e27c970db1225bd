import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/**
 * The parts of a release that are easy to get wrong by hand (docs/release.md):
 *
 *   node scripts/release.ts prepare 0.2.0             version and date into CHANGELOG.md, every package.json and package-lock.json;
 *                                                     openapi.json into test/document/released-openapi.json
 *   node scripts/release.ts notes 0.2.0 [image.json]  the text of the release; with the image's digest, from `docker buildx`
 */

const ROOT = join(import.meta.dirname, "..");
const VERSION = /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)$/u;
const UNRELEASED = "## [Unreleased]";
const HEADING = /^## \[(?<name>[^\]]+)\](?: - \d{4}-\d{2}-\d{2})?$/u;
const USAGE = "usage: release.ts prepare VERSION | release.ts notes VERSION [image.json]\n";

/** A version, a state of the checkout or a file from which no release can be made. */
class ReleaseFault extends Error {
  override readonly name = "ReleaseFault";
}

interface Release {
  readonly version: string;
  /** YYYY-MM-DD, UTC. */
  readonly date: string;
}

/** @throws ReleaseFault unless it is three numbers and above `current`. */
function checkNext(version: string, current: string): void {
  if (!VERSION.test(version)) throw new ReleaseFault(`version "${version}" is not MAJOR.MINOR.PATCH`);
  if (compare(version, current) <= 0) throw new ReleaseFault(`version ${version} is not above ${current}`);
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  const at = [0, 1, 2].find((index) => left?.[index] !== right?.[index]) ?? 0;
  return (left?.[at] ?? 0) - (right?.[at] ?? 0);
}

/**
 * The change log with what is unreleased under the version, and an empty section above it.
 * @throws ReleaseFault if nothing is unreleased, or the version has a section.
 */
function releasedChangelog(text: string, { version, date }: Release): string {
  if (sectionOf(text, "Unreleased") === "") throw new ReleaseFault("CHANGELOG.md: nothing is unreleased");
  if (headings(text).includes(version)) throw new ReleaseFault(`CHANGELOG.md has a section ${version}`);
  return text.replace(UNRELEASED, `${UNRELEASED}\n\n## [${version}] - ${date}`);
}

const headings = (text: string): readonly string[] =>
  text.split("\n").flatMap((line) => HEADING.exec(line)?.groups?.["name"] ?? []);

/** The lines under the heading of a version, up to the next one. */
function sectionOf(text: string, name: string): string {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => HEADING.exec(line)?.groups?.["name"] === name);
  if (start < 0) throw new ReleaseFault(`CHANGELOG.md has no section ${name}`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.startsWith("## "));
  return rest
    .slice(0, end < 0 ? undefined : end)
    .join("\n")
    .trim();
}

/** A manifest or lock file, as npm writes it, with another version of the root package and its workspaces. */
function withVersion(json: string, version: string): string {
  const parsed = JSON.parse(json) as { packages?: Record<string, object> };
  const packages = Object.entries(parsed.packages ?? {}).map(([path, entry]) => [
    path,
    isOurs(path) ? { ...entry, version } : entry,
  ]);
  const locked = packages.length === 0 ? {} : { packages: Object.fromEntries(packages) as object };
  return `${JSON.stringify({ ...parsed, version, ...locked }, null, 2)}\n`;
}

/** Whether an entry of a lock file is a folder of the checkout, not a package of the registry. */
const isOurs = (path: string): boolean => !path.split("/").includes("node_modules");

/** What `docker buildx build --metadata-file` writes, as far as it is read here. */
const ImageMetadata = z.object({
  "containerimage.digest": z.string().regex(/^sha256:[0-9a-f]{64}$/u),
  "image.name": z.string().min(1),
});

/** The text of a release: its section of the change log, and the image by digest where one was built. */
function releaseNotes(changelog: string, version: string, metadata: string | null): string {
  const section = sectionOf(changelog, version);
  if (metadata === null) return `${section}\n`;
  const image = ImageMetadata.parse(JSON.parse(metadata));
  const repository = image["image.name"].replace(/:[^:/]*$/u, "");
  return `${section}\n\nImage of the worker: \`${repository}@${image["containerimage.digest"]}\`\n`;
}

interface RootManifest {
  readonly version: string;
  /** Folders, each a package that is released with the product. */
  readonly workspaces: readonly string[];
}

function prepare(version: string, now: Date): string {
  const path = (name: string): string => join(ROOT, name);
  const manifest = readFileSync(path("package.json"), "utf8");
  const { version: current, workspaces } = JSON.parse(manifest) as RootManifest;
  checkNext(version, current);
  const changelog = readFileSync(path("CHANGELOG.md"), "utf8");
  const released = releasedChangelog(changelog, { version, date: now.toISOString().slice(0, 10) });
  const published = workspaces
    .map((workspace) => path(`${workspace}/package.json`))
    .map((name) => [name, readFileSync(name, "utf8")] as const);
  // All faults are found before the first file is written.
  const lockfile = withVersion(readFileSync(path("package-lock.json"), "utf8"), version);
  writeFileSync(path("CHANGELOG.md"), released);
  writeFileSync(path("package.json"), withVersion(manifest, version));
  for (const [name, text] of published) writeFileSync(name, withVersion(text, version));
  writeFileSync(path("package-lock.json"), lockfile);
  // What later documents are compared with (test/document/breaking-changes.test.ts).
  copyFileSync(path("openapi.json"), path("test/document/released-openapi.json"));
  return `release: ${version} is in CHANGELOG.md, every package.json and package-lock.json, and its OpenAPI document is kept; docs/release.md has the next steps\n`;
}

function run([command, version = "", metadata]: readonly string[]): string {
  if (command === "prepare" && metadata === undefined) return prepare(version, new Date());
  if (command !== "notes" || version === "") throw new ReleaseFault(USAGE.trimEnd());
  const changelog = readFileSync(join(ROOT, "CHANGELOG.md"), "utf8");
  return releaseNotes(changelog, version, metadata === undefined ? null : readFileSync(metadata, "utf8"));
}

if (import.meta.main) {
  try {
    process.stdout.write(run(process.argv.slice(2)));
  } catch (error) {
    if (!(error instanceof ReleaseFault)) throw error;
    process.stderr.write(`release: ${error.message}\n`);
    process.exitCode = 1;
  }
}
