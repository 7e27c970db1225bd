import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import type { Answer } from "dns-packet";
import { afterAll, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { bundledCli } from "../../scripts/build-cli.ts";
import { endAll, newDataDir, PosternProcess } from "../e2e/postern-process.ts";
import { startDnsZone } from "../support/dns-zone.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");

/** What the commands under each heading print. */
const PRINTED: Readonly<Record<string, RegExp>> = {
  Connect:
    /^api-token of account default: operator\nprofile default written to .+\/profiles\.json\n[\s\S]+\nscopes +operator\n/u,
  Domains:
    /\ntls\.server\.level: accept → require\n[\s\S]*\nexample\.com +require [\s\S]*\nexample\.org +require [\s\S]*\nexit code 1\n$/u,
  "Wait until a change is in force":
    /^example\.org at revision \d+: 1 of 1 edges? at revision \d+\n {2}edge .+: in force\n/u,
  Certificates: /^tls\.server\.certificateId: none → cert_\w+\n[\s\S]*\ncert_\w+ +mx +active +self-signed /u,
  "A partner with a client certificate":
    /^tls\.clientCertificate\.mode: none → require\n[\s\S]*-----BEGIN CERTIFICATE-----\n/u,
  "An exception": /^tls\.exceptions\.0[\s\S]*reason: absent → old gateway of a partner\n/u,
  "Ask what a sender would receive":
    /^reject at RCPT: tls-required\n[\s\S]* {2}row 1 passed [\s\S]*\naccept at RCPT\n/u,
  "Who changed what":
    /^REVISION +AT +ACTION[\s\S]* domain\/example\.org [\s\S]*\n {4}tls\.server\.level: accept → require\n[\s\S]*\n\{"revision":[\s\S]*\nREVISION[\s\S]*\n2 [\s\S]*\n3 [\s\S]*\nREVISION[\s\S]*\n4 /u,
  "Take a change back":
    /^tls\.enforcement: reject → defer\nchange \d+ reverted by \d+: update domain\/example\.net\n {4}tls\.enforcement: defer → reject\ntls\.server\.level: accept → none\nexit code 3\nchange \d+ reverted by \d+: update domain\/example\.net\n {4}tls\.server\.level: none → accept\n$/u,
  "Names of a tenant": /^example\.org and its MX hosts are verified\n$/u,
  Tokens: /^ID +LABEL[\s\S]*monitoring[\s\S]*\ntok_\w+ deleted\n$/u,
  "Probe a domain":
    /^passed {2}mx +mx1\.example\.org\n[\s\S]*passed {2}starttls [\s\S]*passed {2}name [\s\S]*failed {2}chain [\s\S]*\n1 step has failed\nexit code 1\n$/u,
  "Output for programs": /^example\.com\nexample\.net\nexample\.org\nexit code 3\n$/u,
  Completion: /^$/u,
  "A file of all settings":
    /^\+ certificate shop\n[\s\S]*\nexit code 2\n[\s\S]*\n3 of 3 applied\.\nEvery edge has revision \d+\.\n(?:warning: .*\n)+Plan: 0 to create, 0 to change, 0 to delete, 3 unchanged\.\n~ domain shop\.example\n {4}tls\.enforcement: "defer" → "reject"\n[\s\S]*\n1 of 1 applied\.\n[\s\S]*\nexit code 3\nexit code 1\n- domain [\s\S]*\n3 of 3 applied\.\n[\s\S]* 0 to delete, \d+ unchanged\.\n$/u,
  Delete:
    /^example\.org deleted\nexample\.com deleted\nexample\.net deleted\ncert_\w+ deleted\n\w+ deleted\n$/u,
};

interface Block {
  readonly heading: string;
  readonly code: string;
}

function blocksIn(markdown: string): readonly Block[] {
  let heading = "";
  return [...markdown.matchAll(/^#+ (?<heading>.+)$|^```sh\n(?<code>[\s\S]*?)^```$/gmu)].flatMap(
    ({ groups = {} }) => {
      heading = groups["heading"] ?? heading;
      return groups["code"] === undefined ? [] : [{ heading, code: groups["code"] }];
    },
  );
}

const ZONE: readonly Answer[] = [
  { type: "MX", name: "example.org", data: { preference: 10, exchange: "mx1.example.org" } },
];

afterAll(endAll);

describe("docs/cli.md", () => {
  it("prints what it should when it is copied into one shell", async () => {
    const dataDir = newDataDir();
    const folder = join(dataDir, "page");
    mkdirSync(join(folder, "bin"), { recursive: true });
    // The bundle starts several times faster than the sources do.
    const main = join(folder, "postern.mjs");
    writeFileSync(main, (await bundledCli()).code);
    writeFileSync(join(folder, "bin/postern"), `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
    chmodSync(join(folder, "bin/postern"), 0o755);
    const postern = new PosternProcess(dataDir);
    const { api, smtp } = await postern.started();
    const zone = await startDnsZone(ZONE);
    const script = blocksIn(PAGE)
      .map(({ heading, code }) => `printf '\\f%s\\n' '${heading}'\n${code}`)
      .join("\n")
      .replaceAll("http://127.0.0.1:8080", httpUrl(api))
      .replaceAll(".data/api-token", join(dataDir, "api-token"))
      .replaceAll("127.0.0.1:2525", `127.0.0.1:${smtp.port}`)
      .replaceAll("127.0.0.1:5353", zone);
    const child = spawn("/bin/bash", ["--norc", "-eu", "-o", "pipefail", "-c", script], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: `${join(folder, "bin")}${delimiter}${process.env["PATH"]}`, HOME: folder },
    });
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number]>,
    ]);
    rmSync(dataDir, { recursive: true, force: true });
    expect(code, `${output}\n${errors}`).toBe(0);
    const printed = new Map<string, string>();
    for (const part of output.split("\f").slice(1)) {
      const heading = part.slice(0, part.indexOf("\n"));
      printed.set(heading, (printed.get(heading) ?? "") + part.slice(part.indexOf("\n") + 1));
    }
    expect([...printed.keys()]).toEqual(Object.keys(PRINTED));
    const wrong = [...printed].filter(([heading, shown]) => PRINTED[heading]?.test(shown) !== true);
    expect(wrong).toEqual([]);
  });
});
