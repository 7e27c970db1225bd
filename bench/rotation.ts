import { execFileSync, type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { encodeMaterial } from "../core/x509/serving-material.ts";
import { newDataDir, type PosternProcess, withPostern } from "../test/e2e/postern-process.ts";
import { issueServer, makeCa } from "../test/support/pki.ts";
import { materialOf } from "../test/support/test-edge.ts";
import { type TwoKeyMaterial, twoKeyMaterial } from "../test/support/two-key-material.ts";
import { findingText, machineText } from "./report.ts";
import type { EdgeMeasurements } from "./rotation-edge.ts";
import { findingsOf, type Measured, type Window } from "./rotation-findings.ts";
import type { PacedSession } from "./rotation-load.ts";
import type { ServerPorts } from "./measured-process.ts";

/*
 * Handshakes under rotations of a certificate with two keys, at the default poll interval. Three processes,
 * as on AWS: an edge, which follows the store; the API, which writes to it; a load generator. Windows with a
 * rotation alternate with windows of the same length without one, which are the baseline: what else the
 * machine does falls on both. The load is a tenth of what the edge can bear. With the right to do so (root),
 * edge and load generator come before all other processes of the machine (SCHED_FIFO).
 *
 * `node bench/rotation.ts` prints the figures in two minutes and exits with 1 when the goal is missed:
 * rotation-findings.ts says when. `--rotations 0` has windows without a rotation alone. `--together` sends
 * the load to the edge in the API's process, as `npm start` runs it.
 */

const HOST = "mx.example.com";
/** A write, the poll after it, the load of the new version, and the poll after that. */
const WINDOW_MS = 2_500;
const SESSIONS_PER_SECOND = 40;
const flag = process.argv.indexOf("--rotations");
const ROTATIONS = flag === -1 ? 20 : Number(process.argv[flag + 1]);
const PAIRS = ROTATIONS === 0 ? 20 : ROTATIONS;
const isTogether = process.argv.includes("--together");

const now = (): number => performance.timeOrigin + performance.now();

async function write(postern: PosternProcess, request: string, body: object): Promise<{ id: string }> {
  const answer = await postern.api(request, body, request.startsWith("PUT /v1/domains") ? {} : ANY);
  if (!answer.ok) throw new Error(`${request}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { id: string };
}
const ANY = { "if-match": "*" };

/** A program beside this one that reports once that it is ready, and answers one message. */
class Helper {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(program: string, argv: readonly string[]): Promise<{ helper: Helper; ready: unknown }> {
    const child = fork(join(import.meta.dirname, program), [...argv], { execArgv: [] });
    const [ready] = await once(child, "message");
    return { helper: new Helper(child), ready };
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async ask(): Promise<unknown> {
    this.#child.send("report");
    const [answer] = await once(this.#child, "message");
    return answer;
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** No other process takes the processor from this one. @returns false without the right. */
function prefer(pid: number): boolean {
  try {
    execFileSync("chrt", ["-f", "-a", "-p", "1", String(pid)], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Time in which the main thread could have run and had no processor: Linux's schedstat. */
const waitedMs = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6;

/** The windows in their order, with the writes of those that have one. */
async function rotate(
  postern: PosternProcess,
  id: string,
  versions: readonly TwoKeyMaterial[],
): Promise<Window[]> {
  const windows: Window[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    for (const upload of [undefined, versions[pair + 1]?.upload]) {
      const since = now();
      const over = pause(WINDOW_MS);
      let writtenAt: number | null = null;
      if (upload !== undefined) {
        await write(postern, `PUT /v1/certificates/${id}/material`, { source: "pem", ...upload });
        writtenAt = now();
      }
      await over;
      windows.push({ since, until: now(), writtenAt });
    }
  }
  return windows;
}

async function measure(postern: PosternProcess): Promise<Measured> {
  const { smtp } = await postern.started();
  const ca = makeCa();
  const versions = Array.from({ length: ROTATIONS + 1 }, () => twoKeyMaterial([HOST], ca));
  const helpers: Helper[] = [];
  const start = async (
    program: string,
    argv: readonly string[],
  ): Promise<{ helper: Helper; ready: unknown }> => {
    const started = await Helper.start(program, argv);
    helpers.push(started.helper);
    return started;
  };
  try {
    const own = encodeMaterial(materialOf(issueServer({ names: ["mx.example.net"], ca })));
    writeFileSync(join(postern.dataDir, "default-certificate.json"), own, { mode: 0o600 });
    const edge = await start("rotation-edge.ts", [postern.dataDir]);
    const { id } = await write(postern, "POST /v1/certificates", { source: "pem", ...versions[0]?.upload });
    const tls = { server: { level: "require", certificateId: id } };
    await write(postern, "PUT /v1/domains/example.com", { mxHosts: [HOST], tls });
    const { smtpPort } = isTogether ? { smtpPort: smtp.port } : (edge.ready as ServerPorts);
    await pause(WINDOW_MS);
    const load = await start("rotation-load.ts", [String(smtpPort), HOST, String(SESSIONS_PER_SECOND)]);
    const target = isTogether ? (postern.child.pid ?? 0) : edge.helper.pid;
    const isPreferred = [target, load.helper.pid].map(prefer).every(Boolean);
    await pause(WINDOW_MS);
    const waitedBefore = waitedMs(target);
    const windows = await rotate(postern, id, versions);
    const waited = waitedMs(target) - waitedBefore;
    const sessions = (await load.helper.ask()) as readonly PacedSession[];
    const measuredEdge = isTogether ? null : ((await edge.helper.ask()) as EdgeMeasurements);
    const versionOf = new Map(
      versions.flatMap(({ fingerprints }, at) => Object.values(fingerprints).map((each) => [each, at])),
    );
    return { sessions, edge: measuredEdge, windows, versionOf, waitedMs: waited, isPreferred };
  } finally {
    for (const helper of helpers) helper.end();
  }
}

const dataDir = newDataDir();
try {
  const loadBefore = loadavg()[0] ?? 0;
  const measured = await withPostern(dataDir, measure, { SETTINGS_POLL_INTERVAL_MS: "1000" });
  const lines = findingsOf(measured).map(findingText);
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const title = `${ROTATIONS} rotations, ${isTogether ? "API and edge in one process" : "an edge process"}`;
  process.stdout.write(
    `${title}. ${machineText(commit)} Load average before and after: ${loadBefore.toFixed(2)}, ${(loadavg()[0] ?? 0).toFixed(2)}.\n${lines.join("\n")}\n`,
  );
  process.exitCode = lines.some((line) => line.includes("missed")) ? 1 : 0;
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
