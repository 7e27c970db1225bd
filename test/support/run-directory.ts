import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

/** Short: paths of Unix sockets below it have 107 octets. */
const PREFIX = "postern-";

/** Named in full; of more, their number. */
const MAX_NAMED = 20;

/** Of this run of vitest. Each project has its own copy of this module, and all run in one process. */
interface Run {
  readonly directory: string;
  readonly before: Readonly<Record<Variable, string | undefined>>;
  projects: number;
  readonly discard: () => void;
}

/**
 * NODE_COMPILE_CACHE: what one process of the run has compiled, the next does not; a third of the start of
 * the product.
 */
const VARIABLES = ["TMPDIR", "NODE_COMPILE_CACHE"] as const;
type Variable = (typeof VARIABLES)[number];
const COMPILED = "compiled";

const holder = globalThis as { posternTestRun?: Run };

/**
 * Gives all tests of a run one temporary directory (TMPDIR, which processes that they start inherit), and
 * removes it at the end. A run that leaves anything in it fails, naming it. Listed first in `globalSetup`, so
 * that it ends last.
 */
export function setup({ vitest }: TestProject): () => void {
  const run = (holder.posternTestRun ??= begin(vitest.config.coverage.enabled));
  run.projects += 1;
  return () => {
    run.projects -= 1;
    if (run.projects === 0) end(run);
  };
}

function begin(withCoverage: boolean): Run {
  const directory = mkdtempSync(join(tmpdir(), PREFIX));
  // Daemons of mail servers run as users of their own, and reach what is theirs below it.
  chmodSync(directory, 0o711);
  const { TMPDIR, NODE_COMPILE_CACHE } = process.env;
  process.env["TMPDIR"] = directory;
  // What comes from the cache is counted less exactly.
  if (!withCoverage) process.env["NODE_COMPILE_CACHE"] = join(directory, COMPILED);
  // A run that is interrupted reaches no teardown.
  const discard = (): void => rmSync(directory, { recursive: true, force: true });
  process.once("exit", discard);
  return { directory, before: { TMPDIR, NODE_COMPILE_CACHE }, projects: 0, discard };
}

function end({ directory, before, discard }: Run): void {
  delete holder.posternTestRun;
  for (const name of VARIABLES) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  const left = readdirSync(directory)
    .filter((name) => name !== COMPILED)
    .toSorted();
  discard();
  process.off("exit", discard);
  if (left.length > 0) throw new Error(`tests left in the temporary directory: ${named(left)}`);
}

function named(left: readonly string[]): string {
  const more = left.length - MAX_NAMED;
  return `${left.slice(0, MAX_NAMED).join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}
