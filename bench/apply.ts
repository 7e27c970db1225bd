import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPostern } from "../sdk/src/index.ts";
import { type Finding, findingText, machineText, savePage } from "./report.ts";

/*
 * A file of many domains, planned and applied by the command line as it is published, a process, against what
 * `npm start` runs: `node bench/apply.ts [domains]` (10000). Prints findings and keeps them in bench/results.
 */
const count = Number(process.argv[2] ?? 10_000);
const ROOT = join(import.meta.dirname, "..");
/** As it is published. */
const CLI = join(ROOT, "cli/dist/postern.js");

const fileText = (): string => {
  const domains = Array.from(
    { length: count },
    (_, n) =>
      `  d${n}.bench.example:\n    mxHosts: [mx1.d${n}.bench.example]\n    tls:\n      server: { level: require }\n      enforcement: defer\n    labels: { team: mail }\n`,
  );
  return `name: bench\ndomains:\n${domains.join("")}`;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Ran {
  readonly seconds: number;
  readonly exitCode: number | null;
  readonly stdout: string;
}

async function cli(env: NodeJS.ProcessEnv, ...argv: readonly string[]): Promise<Ran> {
  const start = performance.now();
  const child = spawn(process.execPath, [CLI, ...argv], { env, stdio: ["ignore", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => void (stdout += chunk.toString()));
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { seconds: (performance.now() - start) / 1000, exitCode, stdout };
}

async function stopped(child: ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  if (child.exitCode === null) await once(child, "exit");
}

execFileSync(process.execPath, [join(ROOT, "scripts/build-cli.ts")], { stdio: "inherit" });
const directory = mkdtempSync(join(tmpdir(), "postern-bench-apply-"));
const dataDir = join(directory, "data");
const [api, smtp, health] = [await freePort(), await freePort(), await freePort()];
const product = spawn(process.execPath, [join(ROOT, "local/main.ts")], {
  cwd: ROOT,
  env: {
    ...process.env,
    API_PORT: String(api),
    SMTP_PORT: String(smtp),
    HEALTH_PORT: String(health),
    DATA_DIR: dataDir,
    LOG_LEVEL: "error",
  },
  stdio: ["ignore", "ignore", "inherit"],
});
const url = `http://127.0.0.1:${api}`;

async function token(): Promise<string> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const isReady = await fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return readFileSync(join(dataDir, "api-token"), "utf8").trim();
    if (performance.now() > deadline) throw new Error("the product did not start within 60 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function newestRevision(given: string): Promise<number> {
  const postern = createPostern({ url, auth: { token: given } });
  for await (const { revision } of postern.changes.list({ order: "desc", limit: 1 })) return revision;
  return 0;
}

function expectExit(ran: Ran, exitCode: number): Ran {
  if (ran.exitCode === exitCode) return ran;
  throw new Error(`exit code ${ran.exitCode}, not ${exitCode}: ${ran.stdout.slice(-500)}`);
}

try {
  const given = await token();
  const env = { ...process.env, POSTERN_URL: url, POSTERN_TOKEN: given };
  const file = join(directory, "postern.yaml");
  writeFileSync(file, fileText());
  const created = expectExit(await cli(env, "plan", file), 2);
  const first = expectExit(await cli(env, "apply", file), 0);
  const revision = await newestRevision(given);
  const plans = [];
  for (let n = 0; n < 3; n += 1) plans.push(expectExit(await cli(env, "plan", file), 0).seconds);
  const second = expectExit(await cli(env, "apply", file), 0);
  const writes = (await newestRevision(given)) - revision;
  const exported = expectExit(await cli(env, "export"), 0);
  const isGoal = count === 10_000;
  const atMost = (value: number) => (isGoal ? ({ kind: "at-most", value } as const) : null);
  const what = (text: string): string => `${count} domains: ${text}`;
  const findings: readonly Finding[] = [
    { what: what("plan of an empty API"), value: created.seconds, unit: "s", goal: atMost(3) },
    { what: what("first apply, until the edge has it"), value: first.seconds, unit: "s", goal: atMost(60) },
    {
      what: what("plan without a difference, the slowest of 3"),
      value: Math.max(...plans),
      unit: "s",
      goal: atMost(3),
    },
    { what: what("second apply"), value: second.seconds, unit: "s", goal: null },
    {
      what: what("revisions of the second apply"),
      value: writes,
      unit: "",
      goal: { kind: "at-most", value: 0 },
    },
    { what: what("export"), value: exported.seconds, unit: "s", goal: null },
  ];
  const text = [machineText("working tree"), "", ...findings.map(findingText)].join("\n");
  process.stdout.write(`${text}\n`);
  savePage("apply", text);
} finally {
  await stopped(product);
  rmSync(directory, { recursive: true });
}
