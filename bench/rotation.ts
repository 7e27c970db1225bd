import { rmSync } from "node:fs";
import { newDataDir, type PosternProcess, withPostern } from "../test/e2e/postern-process.ts";
import { type LoadedSession, startHandshakeLoad } from "../test/support/handshake-load.ts";
import { makeCa } from "../test/support/pki.ts";
import { twoKeyMaterial } from "../test/support/two-key-material.ts";
import { type Finding, findingText, median } from "./report.ts";

/*
 * Handshakes under 20 rotations of a certificate with two keys, at the default poll interval: how many fail,
 * how much the slowest takes beside the median, and when the last session begins that is shown the version
 * before. `node bench/rotation.ts` prints the figures and exits with 1 when a goal is missed. What else the
 * machine does falls on single handshakes: compare with `--rotations 0`.
 */

const HOST = "mx.example.com";
const SLOW = 3;
/** The write, the poll after it and the load of the new version end within this time. */
const AFTER_MS = 1_500;
const LATE_MS = 2_000;
const flag = process.argv.indexOf("--rotations");
const ROTATIONS = flag === -1 ? 20 : Number(process.argv[flag + 1]);
/** Sessions go on for so long after each write. */
const BETWEEN_MS = 2_500;

async function write(postern: PosternProcess, request: string, body: object): Promise<{ id: string }> {
  const answer = await postern.api(request, body, request.startsWith("POST") ? {} : { "if-match": "*" });
  if (!answer.ok) throw new Error(`${request}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as { id: string };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

interface Measured {
  readonly sessions: readonly LoadedSession[];
  /** When the write of each version was answered. */
  readonly writtenAt: readonly number[];
  readonly versionOf: ReadonlyMap<string, number>;
}

async function measure(postern: PosternProcess): Promise<Measured> {
  const { smtp } = await postern.started();
  const ca = makeCa();
  const versions = Array.from({ length: ROTATIONS + 1 }, () => twoKeyMaterial([HOST], ca));
  const { id } = await write(postern, "POST /v1/certificates", { source: "pem", ...versions[0]?.upload });
  const domain = await postern.api("PUT /v1/domains/example.com", {
    mxHosts: [HOST],
    tls: { server: { level: "require", certificateId: id } },
  });
  if (!domain.ok) throw new Error(await domain.text());
  await pause(BETWEEN_MS);
  const load = startHandshakeLoad({ port: smtp.port, servername: HOST, now: () => performance.now() });
  const writtenAt: number[] = [performance.now()];
  for (const { upload } of versions.slice(1)) {
    await write(postern, `PUT /v1/certificates/${id}/material`, upload);
    writtenAt.push(performance.now());
    await pause(BETWEEN_MS);
  }
  if (ROTATIONS === 0) await pause(10 * BETWEEN_MS);
  const versionOf = new Map(
    versions.flatMap(({ fingerprints }, at) => Object.values(fingerprints).map((each) => [each, at])),
  );
  return { sessions: await load.stop(), writtenAt, versionOf };
}

/** How long after the answer to a write the last session began that was shown the version before. */
function latestOld({ sessions, writtenAt, versionOf }: Measured): number {
  const late = sessions.map(({ since, fingerprint }) => {
    const shown = versionOf.get(fingerprint ?? "") ?? 0;
    return since - (writtenAt[shown + 1] ?? Number.POSITIVE_INFINITY);
  });
  return Math.max(0, ...late);
}

/** Share of handshakes over `SLOW` medians, %: of those that began soon after a write, and of the others. */
function slowShares({ sessions, writtenAt }: Measured): Finding[] {
  const whole = sessions.filter(({ failure }) => failure === null);
  const shares = [true, false].map((isAfterWrite) => {
    const some = whole.filter(
      ({ since }) =>
        isAfterWrite === writtenAt.slice(1).some((at) => since > at - AFTER_MS / 2 && since < at + AFTER_MS),
    );
    const slow = some.filter(({ kind, handshakeMs }) => handshakeMs > SLOW * medianOf(whole, kind));
    return (100 * slow.length) / Math.max(1, some.length);
  });
  return shares.map((value, at) => ({
    what: `handshakes over ${SLOW} x the median, ${at === 0 ? "around a write" : "otherwise"}`,
    value,
    unit: "%",
    goal: null,
  }));
}

const medianOf = (sessions: readonly LoadedSession[], kind: LoadedSession["kind"]): number =>
  median(sessions.filter((each) => each.kind === kind).map(({ handshakeMs }) => handshakeMs));

function findings(measured: Measured): Finding[] {
  const { sessions } = measured;
  const whole = sessions.filter(({ failure }) => failure === null);
  const goal = (value: number) => ({ kind: "at-most", value }) as const;
  return [
    { what: "sessions", value: sessions.length, unit: "", goal: null },
    { what: "failed", value: sessions.length - whole.length, unit: "", goal: goal(0) },
    {
      what: "until the last session with the version before",
      value: latestOld(measured),
      unit: "ms",
      goal: goal(LATE_MS),
    },
    ...slowShares(measured),
    ...(["ecdsa", "rsa"] as const).flatMap((kind): Finding[] => {
      const took = whole.filter((each) => each.kind === kind).map(({ handshakeMs }) => handshakeMs);
      const middle = median(took);
      const slowest = Math.max(...took);
      return [
        { what: `${kind}: median handshake`, value: middle, unit: "ms", goal: null },
        {
          what: `${kind}: slowest handshake`,
          value: slowest / middle,
          unit: "x the median",
          goal: goal(SLOW),
        },
      ];
    }),
  ];
}

const dataDir = newDataDir();
try {
  const settings = { SETTINGS_POLL_INTERVAL_MS: "1000" };
  const found = findings(await withPostern(dataDir, measure, settings));
  const lines = found.map(findingText);
  process.stdout.write(`${ROTATIONS} rotations\n${lines.join("\n")}\n`);
  process.exitCode = lines.some((line) => line.includes("missed")) ? 1 : 0;
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
