import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { atTheEnd } from "./endings.ts";
import { findProgram } from "./installed-peers.ts";
import { scratchDirectory } from "./scratch.ts";

/**
 * A name server on loopback with the zone `example`, until the test file ends. It does not answer before its
 * zone is read, as any server that is not there.
 *
 * @param lines records of the zone, as in a zone file.
 */
export async function startNsd(port: number, lines: readonly string[]): Promise<void> {
  const program = findProgram("nsd");
  if (program === undefined) throw new Error("nsd is not installed");
  const directory = scratchDirectory();
  const zone = [
    "$ORIGIN example.",
    "$TTL 60",
    "@ SOA ns hostmaster 1 60 60 60 60",
    "@ NS ns",
    "ns A 127.0.0.1",
  ];
  writeFileSync(join(directory, "example.zone"), `${[...zone, ...lines].join("\n")}\n`);
  writeFileSync(join(directory, "nsd.conf"), configuration(directory, port));
  const child = spawn(program, ["-d", "-c", join(directory, "nsd.conf")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { text: "" };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => void (said.text += text));
  const ended = once(child, "close");
  atTheEnd(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  await Promise.race([
    ended.then(() => Promise.reject(new Error(`nsd has ended: ${said.text}`))),
    new Promise<void>((resolve) => {
      const look = (): void => {
        if (said.text.includes("nsd started")) resolve();
      };
      child.stderr.on("data", look);
      child.stdout.on("data", look);
    }),
  ]);
}

/** Everything in one directory, as this user; one process, no control socket. */
const configuration = (directory: string, port: number): string => `
server:
  server-count: 1
  ip-address: 127.0.0.1@${String(port)}
  do-ip6: no
  username: ""
  chroot: ""
  zonesdir: "${directory}"
  database: ""
  pidfile: "${directory}/nsd.pid"
  xfrdfile: "${directory}/xfrd.state"
  xfrdir: "${directory}"
  zonelistfile: "${directory}/zone.list"
remote-control:
  control-enable: no
zone:
  name: example
  zonefile: example.zone
`;
