import { join } from "node:path";
import { makeMaterial, startPostern } from "./bench-servers.ts";
import { type MeasuredServer, memoryOf } from "./measured-process.ts";
import { type Finding, median } from "./report.ts";
import type { RunOptions } from "./session-rows.ts";
import { load } from "./smtpload.ts";

const MANY = 100_000;
/** Names with a certificate of their own, the most asked for. The others present the edge's default. */
const HOT = 5_000;
const MILLION = 1_000_000;
const MB = 1e6;

const TLS = ["--tls", "1.3", "--sni", "d{n}.example.net", "--rcpt", "user@d{n}.example.net"];
const SESSIONS = ["-c", "16", "-n", "8000"];

/** 100,000 domains, requested by Zipf's law, beside one domain: CPU, contexts and memory. */
export async function measureManyDomains({ scratch, rounds, note }: RunOptions): Promise<readonly Finding[]> {
  const material = makeMaterial(join(scratch, "many"), "ecdsa-p256");
  const start = (name: string, domains: number, hot: number): Promise<MeasuredServer> =>
    startPostern(join(scratch, "many", name), material, {
      domains,
      level: "require",
      ownCertificates: { count: hot, material: material.server },
    });
  const running: MeasuredServer[] = [];
  try {
    const empty = await start("empty", 0, 0);
    running.push(empty);
    const one = await start("one", 1, 1);
    running.push(one);
    const many = await start("many", MANY, HOT);
    running.push(many);
    const emptyBytes = memoryOf(empty.pid).rssBytes;
    const loadedBytes = memoryOf(many.pid).rssBytes;
    // Each hot name once, so that the measurement shows the steady state.
    await load(many, [...TLS, "-c", "16", "-n", String(HOT), "--domains", String(HOT)]);
    await load(one, [...TLS, "-c", "16", "-n", String(HOT)]);
    const before = await contextUses(many);
    const ratios: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const ofOne = await load(one, [...TLS, ...SESSIONS]);
      const ofMany = await load(many, [...TLS, ...SESSIONS, "--domains", String(MANY), "--dist", "zipf"]);
      const ratio = (ofMany.server_cpu_s ?? Number.NaN) / (ofOne.server_cpu_s ?? Number.NaN);
      ratios.push(ratio);
      note(`many ${round + 1}: ${ratio.toFixed(3)} x one domain`);
    }
    const uses = await contextUses(many);
    const hits = uses.hit - before.hit;
    const built = uses.built - before.built;
    const afterMany = memoryOf(many.pid).rssBytes;
    return [
      finding("100,000 domains: CPU over one domain", median(ratios), { unit: "x", atMost: 1.25 }),
      {
        what: "100,000 domains, 5,000 hot names: contexts found ready",
        value: (100 * hits) / (hits + built),
        unit: "%",
        goal: { kind: "at-least", value: 95 },
      },
      finding("100,000 domains: RSS over an empty worker, loaded", (loadedBytes - emptyBytes) / MB, {
        unit: "MB",
      }),
      finding(
        "100,000 domains: RSS over a worker with one domain, both after the same sessions",
        (afterMany - memoryOf(one.pid).rssBytes) / MB,
        { unit: "MB", atMost: 200 },
      ),
    ];
  } finally {
    for (const server of running) await server.stop();
  }
}

/**
 * A million domains in the snapshot of a worker without connections: with 1,000 MX hosts, and with one each.
 */
export async function measureMillion({ scratch, note }: RunOptions): Promise<readonly Finding[]> {
  const material = makeMaterial(join(scratch, "million"), "ecdsa-p256");
  const measure = async (title: string, sharedHosts?: number): Promise<readonly Finding[]> => {
    const settings = { domains: MILLION, level: "require" as const };
    const server = await startPostern(
      join(scratch, "million", "postern"),
      material,
      sharedHosts === undefined ? settings : { ...settings, sharedHosts },
    );
    try {
      const { rssBytes, peakBytes } = memoryOf(server.pid);
      note(`${title}: ${(rssBytes / MB).toFixed(0)} MB`);
      return [
        finding(`1,000,000 domains, ${title}: RSS of the worker`, rssBytes / MB, {
          unit: "MB",
          atMost: 600,
        }),
        finding(`1,000,000 domains, ${title}: highest RSS so far`, peakBytes / MB, { unit: "MB" }),
      ];
    } finally {
      await server.stop();
    }
  };
  return [...(await measure("1,000 MX hosts", 1000)), ...(await measure("an MX host each"))];
}

function finding(
  what: string,
  value: number,
  { unit, atMost }: { readonly unit: string; readonly atMost?: number },
): Finding {
  return { what, value, unit, goal: atMost === undefined ? null : { kind: "at-most", value: atMost } };
}

/** How often a handshake found its context, and how often it had to be built. */
async function contextUses({ healthPort }: MeasuredServer): Promise<{ hit: number; built: number }> {
  const page = await (await fetch(`http://127.0.0.1:${String(healthPort)}/metrics`)).text();
  const of = (outcome: string): number =>
    Number(
      new RegExp(`^postern_tls_contexts_total\\{outcome="${outcome}"\\} (\\d+)$`, "m").exec(page)?.[1] ?? 0,
    );
  return { hit: of("hit"), built: of("built") };
}
