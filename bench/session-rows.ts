import { join } from "node:path";
import { freePort } from "../test/support/peers/free-port.ts";
import {
  type BenchMaterial,
  makeMaterial,
  type RunningServer,
  startBare,
  startPostern,
  startPostfixServer,
} from "./bench-servers.ts";
import { type Finding, type MeasuredRow, median } from "./report.ts";
import { type Load, load } from "./smtpload.ts";

export interface BenchRow {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly keyType: "ecdsa-p256" | "rsa-2048";
  readonly asks: boolean;
  readonly tls: readonly string[];
  /** Arguments of the generator in the measurement. */
  readonly argv: readonly string[];
  readonly value: (load: Load) => number;
  readonly goals: Readonly<Record<string, number>>;
  /** Further numbers of our server, shown beside the row. */
  readonly finding?: (loads: readonly Load[]) => Finding;
  /** New servers for each round: memory that was used once is not given back. */
  readonly fresh?: true;
  /** Postfix has a process for each connection, and this machine cannot run thousands of them. */
  readonly withoutPostfix?: true;
}

const TLS = ["--tls", "1.3", "--sni", "d0.example.net"];
const PLAIN = ["--tls", "none"];
const cpuPerSession = ({ server_cpu_ms_per_session }: Load): number =>
  server_cpu_ms_per_session ?? Number.NaN;
const cpuPerMegabyte = ({ server_cpu_s, bytes_out }: Load): number =>
  ((server_cpu_s ?? Number.NaN) * 1000) / (bytes_out / 1e6);

/**
 * The same rate for all: otherwise a faster server would be measured on a busier machine, where the time
 * of a processor counts for less.
 */
const SESSIONS = ["-c", "64", "--src-count", "8", "-n", "2000", "--rate", "250"];

/** The rows of the goals, each with a separate load. */
export const ROWS: readonly BenchRow[] = [
  {
    name: "ecdsa",
    title: "STARTTLS, ECDSA P-256, one 5 KB message",
    unit: "ms/session",
    keyType: "ecdsa-p256",
    asks: false,
    tls: TLS,
    argv: SESSIONS,
    value: cpuPerSession,
    goals: { "smtp-server": 1.1, postfix: 0.4 },
  },
  {
    name: "rsa",
    title: "STARTTLS, RSA-2048",
    unit: "ms/session",
    keyType: "rsa-2048",
    asks: false,
    tls: TLS,
    argv: SESSIONS,
    value: cpuPerSession,
    goals: { "smtp-server": 1.1 },
  },
  {
    name: "client-certificate",
    title: "client certificate asked and given",
    unit: "ms/session",
    keyType: "ecdsa-p256",
    asks: true,
    tls: TLS,
    argv: SESSIONS,
    value: cpuPerSession,
    goals: { "smtp-server": 1.1, postfix: 0.55 },
  },
  {
    name: "plaintext",
    title: "plaintext",
    unit: "ms/session",
    keyType: "ecdsa-p256",
    asks: false,
    tls: PLAIN,
    argv: ["-c", "128", "--src-count", "16", "-n", "4000", "--rate", "500"],
    value: cpuPerSession,
    goals: { "smtp-server": 1.1 },
  },
  {
    name: "messages",
    title: "100 x 50 KB on one connection",
    unit: "ms/MB",
    keyType: "ecdsa-p256",
    asks: false,
    tls: TLS,
    argv: ["-c", "2", "-n", "10", "-m", "100", "-s", "50000"],
    value: cpuPerMegabyte,
    goals: { "smtp-server": 1.1 },
  },
  {
    name: "large",
    title: "one message of 25 MB",
    unit: "ms/MB",
    keyType: "ecdsa-p256",
    asks: false,
    tls: TLS,
    argv: ["-c", "1", "-n", "8", "-s", "26214400", "--sample-ms", "10"],
    value: cpuPerMegabyte,
    goals: { "smtp-server": 1.1 },
    finding: (loads) => ({
      what: "growth of RSS while 25 MB pass",
      value: median(loads.map((each) => ((each.rss_peak_kb ?? 0) - (each.rss_start_kb ?? 0)) / 1024)),
      unit: "MB",
      goal: { kind: "at-most", value: 16 },
    }),
  },
  {
    name: "idle",
    title: "idle STARTTLS connection",
    unit: "KB",
    keyType: "ecdsa-p256",
    asks: false,
    tls: TLS,
    argv: ["--idle", "1", "-c", "1500", "--src-count", "100"],
    value: ({ rss_kb_per_conn }) => rss_kb_per_conn ?? Number.NaN,
    goals: { "smtp-server": 1.1 },
    finding: (loads) => ({
      what: "RSS of an idle TLS connection",
      value: median(loads.map(({ rss_kb_per_conn }) => rss_kb_per_conn ?? Number.NaN)),
      unit: "KB",
      goal: { kind: "at-most", value: 50 },
    }),
    fresh: true,
    withoutPostfix: true,
  },
  {
    name: "latency",
    title: "one client: a whole session, p50",
    unit: "ms",
    keyType: "ecdsa-p256",
    asks: false,
    tls: TLS,
    argv: ["-c", "1", "-n", "400"],
    value: ({ session_ms }) => session_ms?.p50 ?? Number.NaN,
    goals: {},
    finding: (loads) => ({
      what: "p50 of a whole session at one client",
      value: median(loads.map(({ session_ms }) => session_ms?.p50 ?? Number.NaN)),
      unit: "ms",
      goal: { kind: "at-most", value: 10 },
    }),
  },
];

export interface RunOptions {
  readonly scratch: string;
  readonly rounds: number;
  readonly note: (text: string) => void;
}

interface Contender {
  readonly name: string;
  readonly start: () => Promise<RunningServer>;
}

/** Enough for V8 to have compiled what a session runs. */
const WARM_UP = ["-c", "8", "-n", "1500"];

export async function measureRows(
  rows: readonly BenchRow[],
  options: RunOptions,
): Promise<readonly MeasuredRow[]> {
  const measured: MeasuredRow[] = [];
  for (const row of rows) measured.push(await measureRow(row, options));
  return measured;
}

async function measureRow(row: BenchRow, options: RunOptions): Promise<MeasuredRow> {
  const material = makeMaterial(join(options.scratch, row.name), row.keyType);
  const contenders = await contendersOf(row, material, options);
  const own = row.asks ? ["--cert", material.clientCertPath, "--key", material.clientKeyPath] : [];
  const common = [...row.tls, ...own, "--rcpt", "user@d0.example.net"];
  const argv = [...common, ...row.argv];
  const warmUp = [...common, ...WARM_UP];
  const loads = await takeTurns(contenders, { row, argv, warmUp, options });
  const ours = (loads.get("postern") ?? []).map(row.value);
  const others = [...loads].filter(([name]) => name !== "postern");
  return {
    title: row.title,
    unit: row.unit,
    medians: new Map([...loads].map(([name, each]) => [name, median(each.map(row.value))])),
    ratios: new Map(
      others.map(([name, each]) => [
        name,
        median(each.map((one, round) => (ours[round] ?? Number.NaN) / row.value(one))),
      ]),
    ),
    goals: row.goals,
    findings: row.finding === undefined ? [] : [row.finding(loads.get("postern") ?? [])],
  };
}

async function contendersOf(
  row: BenchRow,
  material: BenchMaterial,
  { scratch, note }: RunOptions,
): Promise<readonly Contender[]> {
  const directory = join(scratch, row.name);
  const settings = {
    domains: 1,
    level: row.tls === PLAIN ? "accept" : "require",
    clientRootPem: row.asks ? material.clientRoot.rootPem : null,
  } as const;
  const contenders: Contender[] = [
    { name: "postern", start: () => startPostern(join(directory, "postern"), material, settings) },
    { name: "smtp-server", start: () => startBare(join(directory, "bare"), material, row.asks) },
  ];
  if (row.withoutPostfix === true) return contenders;
  const postfix: Contender = {
    name: "postfix",
    start: async () => startPostfixServer(material, { asks: row.asks, smtpPort: await freePort() }),
  };
  try {
    await (await postfix.start()).stop();
    contenders.push(postfix);
  } catch (error) {
    note(`without Postfix: ${error instanceof Error ? error.message.slice(0, 200) : "?"}`);
  }
  return contenders;
}

interface Turns {
  readonly row: BenchRow;
  readonly argv: readonly string[];
  readonly warmUp: readonly string[];
  readonly options: RunOptions;
}

/** Order A B C A B C, so that other load of the machine affects all of them. */
async function takeTurns(
  contenders: readonly Contender[],
  { row, argv, warmUp, options }: Turns,
): Promise<ReadonlyMap<string, readonly Load[]>> {
  const running = new Map<string, RunningServer>();
  const loads = new Map<string, Load[]>(contenders.map(({ name }) => [name, []]));
  const take = async ({ name, start }: Contender): Promise<Load> => {
    const server = running.get(name) ?? (await start());
    if (!running.has(name)) {
      running.set(name, server);
      await load(server, warmUp);
    }
    const result = await load(server, argv);
    if (row.fresh !== true) return result;
    running.delete(name);
    await server.stop();
    return result;
  };
  try {
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const contender of contenders) {
        const result = await take(contender);
        loads.get(contender.name)?.push(result);
        options.note(`${row.name} ${round} ${contender.name}: ${row.value(result).toFixed(3)} ${row.unit}`);
      }
    }
  } finally {
    for (const server of running.values()) await server.stop();
  }
  return loads;
}
