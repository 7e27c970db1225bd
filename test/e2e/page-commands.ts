/** Requests of a page of docs/, run as they are copied. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect } from "vitest";

/** Headings such as `### 7. Whom to trust: 201` with the status of the step's response, and the sh blocks. */
export function readPage(page: string) {
  return {
    steps: [...page.matchAll(/^### (?<number>\d+)\. .+[:?] (?<status>\d{3})$/gmu)].map(({ groups }) => ({
      number: Number(groups?.["number"]),
      status: groups?.["status"],
    })),
    blocks: [...page.matchAll(/^```sh\n(?<code>[^]*?)^```$/gmu)].map(({ groups }) => groups?.["code"] ?? ""),
  };
}

/** Copies every block into one shell; each request must get the status of its step. */
export async function expectDocumentedStatuses(
  page: string,
  { folder, url, dataDir }: { readonly folder: string; readonly url: string; readonly dataDir: string },
): Promise<void> {
  const { steps, blocks } = readPage(page);
  mkdirSync(folder);
  const script = blocks
    .join("\n")
    .replace("http://127.0.0.1:8080", url)
    .replace(".data/api-token", join(dataDir, "api-token"));
  const child = spawn("/bin/sh", ["-eu", "-c", script], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: `${recordingCurl(folder)}${delimiter}${process.env["PATH"]}`, TMPDIR: folder },
  });
  const closed = once(child, "close");
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  const answers = join(folder, "answers");
  const lines = existsSync(answers) ? readFileSync(answers, "utf8").trim().split("\n") : [];
  expect(
    lines.map((line) => line.split(" ").at(-1)),
    `${output}\n${errors}\n${lines.join("\n")}`,
  ).toEqual(steps.map(({ status }) => status));
  expect(code).toBe(0);
}

/** The real curl, wrapped so that it records the status of each response. @returns the folder for PATH. */
function recordingCurl(folder: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const file = join(bin, "curl");
  writeFileSync(
    file,
    [
      "#!/bin/sh",
      `PATH=$\{PATH#"${bin}${delimiter}"}`,
      `exec curl -w '%{stderr}%{method} %{url} %{http_code}\\n' "$@" 2>>"${join(folder, "answers")}"`,
      "",
    ].join("\n"),
  );
  chmodSync(file, 0o755);
  return bin;
}
