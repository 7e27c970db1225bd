import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { httpUrl } from "../../local/running.ts";
import { endAll, newDataDir, withPostern } from "./postern-process.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/tour.md"), "utf8");

/** `### 7. Whom to trust: 201` */
const STEPS = [...PAGE.matchAll(/^### (?<number>\d+)\. .+[:?] (?<status>\d{3})$/gmu)].map(({ groups }) => ({
  number: Number(groups?.["number"]),
  status: groups?.["status"],
}));
const BLOCKS = [...PAGE.matchAll(/^```sh\n(?<code>[^]*?)^```$/gmu)].map(
  ({ groups }) => groups?.["code"] ?? "",
);

let dataDir = "";
beforeEach(() => {
  dataDir = newDataDir();
});
afterEach(async () => {
  await endAll();
  rmSync(dataDir, { recursive: true, force: true });
});

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

describe("docs/tour.md", () => {
  it("has at most 20 requests, numbered, one in each step", () => {
    expect(STEPS.map(({ number }) => number)).toEqual(STEPS.map((_, index) => index + 1));
    expect(STEPS.length).toBeGreaterThan(15);
    expect(STEPS.length).toBeLessThanOrEqual(20);
    expect(PAGE).toContain(`# A tour in ${STEPS.length} requests`);
    const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");
    expect(readme).toContain(`in ${STEPS.length} requests to copy | [docs/tour.md](docs/tour.md)`);
    const requests = BLOCKS.map((code) => code.split(/\bcurl -/u).length - 1).filter((count) => count > 0);
    expect(requests).toEqual(STEPS.map(() => 1));
  });

  it("gets the documented responses when it is copied unchanged into one shell", async () => {
    await withPostern(dataDir, async (postern) => {
      const { api } = await postern.started();
      const folder = join(dataDir, "tour");
      mkdirSync(folder);
      const script = BLOCKS.join("\n")
        .replace("http://127.0.0.1:8080", httpUrl(api))
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
      ).toEqual(STEPS.map(({ status }) => status));
      expect(code).toBe(0);
      const left = (await (await postern.api("GET /v1/domains")).json()) as {
        items: { name: string; warnings: { code: string }[] }[];
      };
      expect(left.items.map(({ name, warnings }) => [name, warnings])).toEqual([
        ["example.net", []],
        ["example.org", []],
      ]);
      const log = (await (await postern.api("GET /v1/changes?order=desc&limit=3")).json()) as {
        items: { action: string; before: { tls?: { exceptions: unknown[] }; previous?: unknown[] } }[];
      };
      // Both mistakes were undone before their records were deleted.
      expect(log.items.map(({ action }) => action)).toEqual(["delete", "delete", "update"]);
      expect(log.items[0]?.before.previous).toHaveLength(2);
      expect(log.items[1]?.before.tls?.exceptions).toEqual([]);
    });
  });
});
