import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureManyDomains, measureMillion } from "./many-domains.ts";
import { findingText, type Finding, machineText, rowsText, savePage } from "./report.ts";
import { measureRows, ROWS } from "./session-rows.ts";

/*
 * Cost of a session, compared with bare smtp-server and, where it is installed, Postfix; and cost of domains.
 *
 *   SMTPLOAD=program node bench/session.ts [--rounds 5] [--rows ecdsa,idle] [--many] [--million] [--save name]
 *
 * Without --rows every row is measured; --many adds 100,000 domains, --million a million. --save writes the
 * page to bench/results. Compare numbers of one run only: servers take turns in it, so that what else the
 * machine does falls on all.
 */

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    rows: { type: "string", default: ROWS.map(({ name }) => name).join(",") },
    many: { type: "boolean", default: false },
    million: { type: "boolean", default: false },
    save: { type: "string" },
  },
});
const scratch = mkdtempSync(join(tmpdir(), "postern-bench-"));
const note = (text: string): void => void process.stderr.write(`${text}\n`);

try {
  const rounds = Number(values.rounds);
  const wanted = values.rows.split(",").filter((name) => name !== "");
  const rows = await measureRows(
    ROWS.filter(({ name }) => wanted.includes(name)),
    { scratch, rounds, note },
  );
  const findings: Finding[] = [];
  if (values.many) findings.push(...(await measureManyDomains({ scratch, rounds, note })));
  if (values.million) findings.push(...(await measureMillion({ scratch, rounds, note })));
  const commit = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  const page = [machineText(commit), rowsText(rows), findings.map(findingText).join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
  process.stdout.write(`${page}\n`);
  if (values.save !== undefined) savePage(values.save, page);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
