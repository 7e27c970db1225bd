import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { TestProject } from "vitest/node";
import { installedPebble } from "./pebble-install.ts";
import { installedSslyze } from "./sslyze.ts";

/** The programs of other projects that test/peers talks to, by the Debian package that brings each. */
export const PACKAGE_OF = {
  openssl: "openssl",
  swaks: "swaks",
  postfix: "postfix",
  sslscan: "sslscan",
  testssl: "testssl.sh",
  exim4: "exim4-daemon-light",
  keytool: "default-jdk-headless",
  chromium: "chromium",
  nsd: "nsd",
} as const;

type DebianPeer = keyof typeof PACKAGE_OF;
/** Peers that a script of this repository installs, by its command. */
const SCRIPT_OF = {
  /** From PyPI. */
  sslyze: "node scripts/install-sslyze.ts",
  /** Built from Go modules. */
  pebble: "node scripts/install-pebble.ts",
} as const;

type ScriptPeer = keyof typeof SCRIPT_OF;
export type Peer = DebianPeer | ScriptPeer;

declare module "vitest" {
  interface ProvidedContext {
    readonly absentPeers: readonly Peer[];
  }
}

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "postern-tests");

/**
 * Where Debian puts what only root is meant to run, and where `.ci/run` unpacks Exim, which Debian has
 * instead of Postfix only.
 */
const SYSTEM_DIRECTORIES = ["/usr/sbin", "/sbin", join(CACHE, "exim/usr/sbin")];

/**
 * Says once which programs are not installed here; their tests are then skipped. With
 * `POSTERN_PEERS=required`, as in CI, an absent program fails the run instead: a suite that skips what it is
 * for must not look green.
 */
export async function setup(project: TestProject): Promise<void> {
  const programs = PEERS.filter((peer) => !isInstalled(peer));
  const scripted = await absentScriptPeers();
  const absent: readonly Peer[] = [...programs, ...scripted];
  project.provide("absentPeers", absent);
  if (absent.length === 0) return;
  const how = [
    ...(programs.length > 0
      ? [`On Debian: apt-get install ${programs.map((peer) => PACKAGE_OF[peer]).join(" ")}`]
      : []),
    ...scripted.map((peer) => `Anywhere: ${SCRIPT_OF[peer]}`),
  ];
  const line = `peers: not installed: ${absent.join(", ")}. ${how.join(". ")}`;
  if (process.env["POSTERN_PEERS"] === "required") throw new Error(`${line} (POSTERN_PEERS=required)`);
  process.stderr.write(`${line}; their tests are skipped\n`);
}

async function absentScriptPeers(): Promise<readonly ScriptPeer[]> {
  const [sslyze, pebble] = await Promise.all([installedSslyze(), installedPebble()]);
  return [
    ...(sslyze === undefined ? (["sslyze"] as const) : []),
    ...(pebble === undefined ? (["pebble"] as const) : []),
  ];
}

const PEERS = Object.keys(PACKAGE_OF).filter((name): name is DebianPeer => Object.hasOwn(PACKAGE_OF, name));

const isInstalled = (program: DebianPeer): boolean => findProgram(program) !== undefined;

/** Path of a program; undefined = not installed. */
export function findProgram(program: DebianPeer): string | undefined {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_DIRECTORIES];
  return directories.map((directory) => join(directory, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
